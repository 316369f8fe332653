//! The echo function on the Rust runtime: decodes the event to a JSON value and answers with it. One thread unless ECHO_THREADS is set.
use lambda_runtime::{run, service_fn, Error, LambdaEvent};
use serde_json::Value;

async fn echo(event: LambdaEvent<Value>) -> Result<Value, Error> {
    Ok(event.payload)
}

fn main() -> Result<(), Error> {
    let runtime = if std::env::var_os("ECHO_THREADS").is_some() {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?
    } else {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?
    };
    runtime.block_on(run(service_fn(echo)))
}
