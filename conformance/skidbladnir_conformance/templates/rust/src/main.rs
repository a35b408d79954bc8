//! The driver of this port: serves the conformance runner on a free port of 127.0.0.1 until standard input ends.

mod replay;

use std::{
    error::Error,
    io::{self, Write},
    process, thread,
};

use proto::{
    DescribeRequest, DescribeResponse, ReplayRequest, ReplayResponse,
    test_driver_server::{TestDriver, TestDriverServer},
};
use tokio::net::TcpListener;
use tokio_stream::StreamExt;
use tonic::{
    Request, Response, Status, Streaming,
    codegen::BoxStream,
    transport::{Server, server::TcpIncoming},
};

/// The protocol, as `build.rs` makes it.
#[allow(clippy::all)]
mod proto {
    tonic::include_proto!("skidbladnir.conformance.v1");
}

/// What the port has: see "Features and known failures" in the guide. A trace that needs another feature is not sent.
const FEATURES: [&str; 1] = ["circuit_breaker"];

struct Driver;

#[tonic::async_trait]
impl TestDriver for Driver {
    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        Ok(Response::new(DescribeResponse {
            language: "rust".to_owned(),
            package_version: env!("CARGO_PKG_VERSION").to_owned(),
            spec_version: "1.0".to_owned(),
            protocol_version: 1,
            features: FEATURES.map(str::to_owned).to_vec(),
            ..Default::default()
        }))
    }

    async fn replay(&self, requests: Request<Streaming<ReplayRequest>>) -> Result<Response<BoxStream<ReplayResponse>>, Status> {
        let answers = requests.into_inner().map(|request| Ok(replay::replay(request?.trace.unwrap_or_default())));
        Ok(Response::new(Box::pin(answers)))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    io::stdout().flush()?;
    thread::spawn(|| {
        let ended = io::copy(&mut io::stdin(), &mut io::sink());
        process::exit(i32::from(ended.is_err()));
    });
    Server::builder().add_service(TestDriverServer::new(Driver)).serve_with_incoming(TcpIncoming::from(listener)).await?;
    Ok(())
}
