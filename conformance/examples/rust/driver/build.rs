//! Makes the types of the protocol and the server's trait from `test_driver.proto`.

use std::error::Error;

const FOLDER: &str = "../../../../proto/skidbladnir/conformance/v1";
const PROTOCOL: &str = "test_driver.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={FOLDER}/{PROTOCOL}");
    let files = protox::compile([PROTOCOL], [FOLDER])?;
    tonic_prost_build::configure().build_client(false).build_transport(false).compile_fds(files)?;
    Ok(())
}
