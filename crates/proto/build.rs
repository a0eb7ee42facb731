//! Compiles `proto/` with a compiler written in Rust: no protoc is needed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use prost_reflect::{DescriptorPool, MethodDescriptor};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const FILES: [&str; 15] = [
        "angarium/access/v1/access.proto",
        "angarium/audit/v1/audit.proto",
        "angarium/audit/v1/audit_service.proto",
        "angarium/event/v1/event.proto",
        "angarium/explain/v1/explain_service.proto",
        "angarium/event/v1/publisher.proto",
        "angarium/delivery/v1/delivery.proto",
        "angarium/delivery/v1/delivery_service.proto",
        "angarium/delivery/v1/replay_service.proto",
        "angarium/journal/v1/journal.proto",
        "angarium/journal/v1/journal_service.proto",
        "angarium/notice/v1/notice.proto",
        "angarium/registry/v1/registry.proto",
        "angarium/registry/v1/registry_service.proto",
        "angarium/rest/v1/rest.proto",
    ];
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(FILES)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "this is no setting: Cargo tells its build scripts so"
    )]
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    write_scopes(&compiler.descriptor_pool(), &out.join("scopes.rs"))?;
    std::fs::write(out.join("angarium.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

/// Writes a table of all methods by their paths, and the scope that a caller of each needs.
///
/// # Errors
/// When a method says of no scope: one that is forgotten would be open to every key.
fn write_scopes(pool: &DescriptorPool, to: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let methods: Vec<_> = pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .collect();
    let mut table = methods
        .iter()
        .map(|method| {
            let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
            let scope = scope(pool, method).ok_or_else(|| {
                format!("{path} has no scope: give it `option (angarium.access.v1.scope) = SCOPE_…;`")
            })?;
            Ok((path, scope))
        })
        .collect::<Result<Vec<_>, String>>()?;
    table.sort_unstable();
    let mut text = String::from("&[\n");
    for (path, scope) in table {
        writeln!(text, "    ({path:?}, angarium_model::Scope::{scope}),")?;
    }
    text.push(']');
    std::fs::write(to, text)?;
    Ok(())
}

/// The scope of a method, as its variant is called in Rust, in the model as on the wire.
fn scope(pool: &DescriptorPool, method: &MethodDescriptor) -> Option<String> {
    let option = pool.get_extension_by_name("angarium.access.v1.scope")?;
    let number = method.options().get_extension(&option).as_enum_number()?;
    let all = pool.get_enum_by_name("angarium.access.v1.Scope")?;
    let value = all.get_value(number).filter(|_| number != 0)?;
    let words = value.name().strip_prefix("SCOPE_")?.split('_');
    let word = |word: &str| {
        word.get(..1)
            .map(|first| first.to_owned() + &word[1..].to_lowercase())
    };
    words.map(word).collect()
}
