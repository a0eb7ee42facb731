//! `angarium version`

/// The version; with `verbose`, what somebody who answers a report of a fault asks for.
pub(crate) fn text(verbose: bool) -> String {
    let version = env!("CARGO_PKG_VERSION");
    if !verbose {
        return format!("angarium {version}\n");
    }
    let built = if cfg!(debug_assertions) {
        "for tests"
    } else {
        "for use"
    };
    let (arch, os) = (std::env::consts::ARCH, std::env::consts::OS);
    let kafka = angarium_kafka::client_version();
    format!("angarium   {version}\nbuilt      {built}, {arch} {os}\nlibrdkafka {kafka}\n")
}
