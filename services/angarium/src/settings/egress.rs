//! Settings of where calls may lead. They are of no single role: delivery makes calls, and the registry refuses
//! webhooks that could not be called.

use angarium_policy::egress::{Hosts, Networks, Ports, Rules};
use angarium_runtime::config::Reader;

pub(super) fn read(reader: &mut Reader) -> Rules {
    let mut section = reader.section("egress");
    Rules {
        allow_http: section.flag(
            "allow_http",
            false,
            "Whether webhooks may be called over plain http: payloads are readable on the way then",
        ),
        allow_loopback: section.flag(
            "allow_loopback",
            false,
            "Whether webhooks may lead to the machine that delivery runs on; for trying out",
        ),
        allow_private: section.flag(
            "allow_private",
            false,
            "Whether webhooks may lead to private networks (RFC 1918, unique local addresses)",
        ),
        ports: section.parsed(
            "ports",
            Ports::default(),
            "Ports that webhooks may lead to, such as `443, 8000-8999`",
        ),
        allow: section.parsed(
            "allow",
            Networks::default(),
            "Networks that are called although refused by default, such as `10.20.0.0/16`; a cloud's metadata service \
             needs its very address",
        ),
        deny: section.parsed(
            "deny",
            Networks::default(),
            "Networks that are never called, whatever else is allowed",
        ),
        only_hosts: section.parsed(
            "only_hosts",
            Hosts::default(),
            "If any: the only hosts that are called, such as `example.com, *.example.com`; bare addresses are none of them",
        ),
        deny_hosts: section.parsed(
            "deny_hosts",
            Hosts::default(),
            "Hosts that are never called, whatever else is allowed",
        ),
    }
}
