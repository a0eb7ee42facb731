//! Addresses that are not for everyone, after IANA's special-purpose registries, and IPv4 addresses within IPv6 ones.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What is special about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `0.0.0.0/8` and `::`: this host, on this network.
    Unspecified,
    /// The worker's own machine.
    Loopback,
    /// RFC 1918.
    Private,
    /// The part of an IPv6 network that is private.
    UniqueLocal,
    /// One network segment.
    LinkLocal,
    /// The forerunner of unique local addresses.
    SiteLocal,
    /// A service that tells a cloud machine its credentials.
    Metadata,
    /// Between a provider and its customers (RFC 6598).
    CarrierNat,
    /// Many receivers.
    Multicast,
    /// All receivers of a segment.
    Broadcast,
    /// For measuring devices.
    Benchmarking,
    /// For examples in texts.
    Documentation,
    /// Whatever is sent there is dropped.
    Discard,
    /// Kept for protocols or for the future.
    Reserved,
    /// An IPv4 address written as IPv6.
    Mapped,
    /// The forerunner of mapped addresses.
    Compatible,
    /// An IPv4 address as stateless translators wrote it.
    Translated,
    /// Leads into IPv4 through a translator.
    Nat64,
    /// The same, with a translator of one's own network.
    LocalNat64,
    /// Leads into IPv4 through a tunnel.
    SixToFour,
    /// Leads to a host behind IPv4 NAT through a tunnel.
    Teredo,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "an unspecified address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::UniqueLocal => "a unique local address",
            Self::LinkLocal => "a link-local address",
            Self::SiteLocal => "a site-local address",
            Self::Metadata => "a cloud metadata service",
            Self::CarrierNat => "an address of carrier-grade NAT",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Benchmarking => "an address for benchmarks",
            Self::Documentation => "an address for documentation",
            Self::Discard => "an address whose traffic is discarded",
            Self::Reserved => "a reserved address",
            Self::Mapped => "an IPv4-mapped address",
            Self::Compatible => "an IPv4-compatible address",
            Self::Translated => "an IPv4-translated address",
            Self::Nat64 => "a NAT64 address",
            Self::LocalNat64 => "a NAT64 address of a local network",
            Self::SixToFour => "a 6to4 address",
            Self::Teredo => "a Teredo address",
        })
    }
}

/// A range of special addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) network: IpNet,
    pub(super) kind: Kind,
    /// An allowed network lifts the refusal when its prefix is at least this long.
    pub(super) lifted_from: u8,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8, kind: Kind) -> Range {
    Range {
        network: IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)),
        kind,
        lifted_from: 0,
    }
}

const fn v6(text: [u16; 8], length: u8, kind: Kind) -> Range {
    let [a, b, c, d, e, f, g, h] = text;
    Range {
        network: IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), length)),
        kind,
        lifted_from: 0,
    }
}

/// Lifted by narrow entries only.
const fn lifted_from(length: u8, range: Range) -> Range {
    Range {
        lifted_from: length,
        ..range
    }
}

const V4: &[Range] = &[
    v4(0, 0, 0, 0, 8, Kind::Unspecified),
    v4(10, 0, 0, 0, 8, Kind::Private),
    v4(100, 64, 0, 0, 10, Kind::CarrierNat),
    // Alibaba Cloud.
    lifted_from(32, v4(100, 100, 100, 200, 32, Kind::Metadata)),
    v4(127, 0, 0, 0, 8, Kind::Loopback),
    // Azure's WireServer: public by its number, but it answers each virtual machine alone.
    lifted_from(32, v4(168, 63, 129, 16, 32, Kind::Metadata)),
    v4(169, 254, 0, 0, 16, Kind::LinkLocal),
    // Most clouds; then ECS tasks and EKS pods.
    lifted_from(32, v4(169, 254, 169, 254, 32, Kind::Metadata)),
    lifted_from(32, v4(169, 254, 170, 2, 32, Kind::Metadata)),
    lifted_from(32, v4(169, 254, 170, 23, 32, Kind::Metadata)),
    v4(172, 16, 0, 0, 12, Kind::Private),
    v4(192, 0, 0, 0, 24, Kind::Reserved),
    // Oracle Cloud.
    lifted_from(32, v4(192, 0, 0, 192, 32, Kind::Metadata)),
    v4(192, 0, 2, 0, 24, Kind::Documentation),
    // Relays of 6to4, given up.
    v4(192, 88, 99, 0, 24, Kind::SixToFour),
    v4(192, 168, 0, 0, 16, Kind::Private),
    v4(198, 18, 0, 0, 15, Kind::Benchmarking),
    v4(198, 51, 100, 0, 24, Kind::Documentation),
    v4(203, 0, 113, 0, 24, Kind::Documentation),
    v4(224, 0, 0, 0, 4, Kind::Multicast),
    v4(240, 0, 0, 0, 4, Kind::Reserved),
    v4(255, 255, 255, 255, 32, Kind::Broadcast),
];

const V6: &[Range] = &[
    // Only 2000::/3 is given to hosts of the Internet: all around it is reserved, but for what follows.
    v6([0, 0, 0, 0, 0, 0, 0, 0], 3, Kind::Reserved),
    v6([0x4000, 0, 0, 0, 0, 0, 0, 0], 2, Kind::Reserved),
    v6([0x8000, 0, 0, 0, 0, 0, 0, 0], 1, Kind::Reserved),
    v6([0, 0, 0, 0, 0, 0, 0, 0], 128, Kind::Unspecified),
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128, Kind::Loopback),
    v6([0, 0, 0, 0, 0, 0, 0, 0], 96, Kind::Compatible),
    v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, Kind::Mapped),
    v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96, Kind::Translated),
    v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, Kind::Nat64),
    // Where the IPv4 address stands depends on the length of the translator's prefix (RFC 6052): only an entry with 96
    // bits or more says that it is at the end, where we look.
    lifted_from(96, v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, Kind::LocalNat64)),
    v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64, Kind::Discard),
    v6([0x100, 0, 0, 1, 0, 0, 0, 0], 64, Kind::Discard),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, Kind::Reserved),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, Kind::Teredo),
    v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, Kind::Benchmarking),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, Kind::Documentation),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, Kind::SixToFour),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, Kind::Documentation),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, Kind::UniqueLocal),
    // EC2, its EKS pods, and Google Cloud.
    lifted_from(
        128,
        v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128, Kind::Metadata),
    ),
    lifted_from(128, v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23], 128, Kind::Metadata)),
    lifted_from(128, v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128, Kind::Metadata)),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, Kind::LinkLocal),
    // OpenStack.
    lifted_from(
        128,
        v6([0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe], 128, Kind::Metadata),
    ),
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, Kind::SiteLocal),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, Kind::Multicast),
];

/// The narrowest special range that an address lies in; `None` for public addresses.
pub(super) fn of(address: IpAddr) -> Option<&'static Range> {
    let ranges = if address.is_ipv4() { V4 } else { V6 };
    let around = ranges.iter().filter(|range| range.network.contains(&address));
    around.max_by_key(|range| range.network.prefix_len())
}

/// The IPv4 addresses that an address leads to by its form.
pub(super) fn carried(address: IpAddr) -> impl Iterator<Item = Ipv4Addr> {
    let (first, second) = match (address, of(address).map(|range| range.kind)) {
        (
            IpAddr::V6(address),
            Some(Kind::Mapped | Kind::Compatible | Kind::Translated | Kind::Nat64 | Kind::LocalNat64),
        ) => (Some(at(address, 6)), None),
        (IpAddr::V6(address), Some(Kind::SixToFour)) => (Some(at(address, 1)), None),
        // The tunnel's server, and the client, whose bits are inverted (RFC 4380, 4).
        (IpAddr::V6(address), Some(Kind::Teredo)) => {
            let client = Ipv4Addr::from_bits(!at(address, 6).to_bits());
            (Some(at(address, 2)), Some(client))
        }
        _ => (None, None),
    };
    first.into_iter().chain(second)
}

/// The IPv4 address whose first half is this 16-bit group.
fn at(address: Ipv6Addr, group: usize) -> Ipv4Addr {
    let octets = address.octets();
    let byte = |index: usize| octets.get(2 * group + index).copied().unwrap_or_default();
    Ipv4Addr::new(byte(0), byte(1), byte(2), byte(3))
}
