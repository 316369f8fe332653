// The echo function without a client of AWS: a loop of our own over node:http with one connection kept open.
const http = require("node:http");

const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) };
    const request = http.request({ hostname, port, method, path: `/2018-06-01/runtime/invocation/${path}`, headers, agent }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ headers: response.headers, text: Buffer.concat(parts).toString() }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function main() {
  for (;;) {
    const { headers, text } = await call("GET", "next");
    await call("POST", `${headers["lambda-runtime-aws-request-id"]}/response`, JSON.stringify(JSON.parse(text)));
  }
}

main();
