//! Makes the types of the protocol and the server's trait from `test_driver.proto`.

use std::error::Error;

const PROTOCOL: &str = "test_driver.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTOCOL}");
    let files = protox::compile([PROTOCOL], ["."])?;
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        // What the protocol has beside `Describe` and `Replay` is optional.
        .generate_default_stubs(true)
        .compile_fds(files)?;
    Ok(())
}
