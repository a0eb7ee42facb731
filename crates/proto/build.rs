//! Compiles `proto/` with a compiler written in Rust: no protoc is needed.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const FILES: [&str; 9] = [
        "angarium/event/v1/event.proto",
        "angarium/event/v1/publisher.proto",
        "angarium/delivery/v1/delivery.proto",
        "angarium/delivery/v1/delivery_service.proto",
        "angarium/delivery/v1/replay_service.proto",
        "angarium/journal/v1/journal.proto",
        "angarium/notice/v1/notice.proto",
        "angarium/registry/v1/registry.proto",
        "angarium/registry/v1/registry_service.proto",
    ];
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let descriptors = protox::compile(FILES, [&root])?;
    #[expect(
        clippy::disallowed_methods,
        reason = "this is no setting: Cargo tells its build scripts so"
    )]
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(
        out.join("angarium.bin"),
        prost::Message::encode_to_vec(&descriptors),
    )?;
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
