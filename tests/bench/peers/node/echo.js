// The echo function on AWS's Node runtime interface client.
exports.handler = async (event) => event;
