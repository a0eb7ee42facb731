//! Lists as an operator writes them: entries separated by commas.

use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::IpNet;
use url::Host;

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Neither an address nor a network.
    #[error("{0:?} is no network such as 10.0.0.0/8, fd00::/8 or 192.0.2.7")]
    Network(String),
    /// A network with bits beyond its prefix.
    #[error("{0} has bits beyond its prefix; did you mean {1}?")]
    Bits(IpNet, IpNet),
    /// Neither a name nor `*.` and a name.
    #[error("{0:?} is no host such as example.com, or *.example.com for all names below it")]
    Host(String),
    /// An address where a name belongs.
    #[error("{0} is an address, not a name; networks have lists of their own")]
    Address(String),
    /// Neither a port nor a range.
    #[error("{0:?} is no port such as 443, and no range such as 8000-8999; ports go from 1 to 65535")]
    Port(String),
    /// No port at all.
    #[error("at least one port must be allowed")]
    NoPort,
}

/// Networks, such as `10.0.0.0/8, fd00::/8, 192.0.2.7`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// The first entry that has this address.
    pub(super) fn find(&self, address: IpAddr) -> Option<IpNet> {
        self.0.iter().copied().find(|network| network.contains(&address))
    }

    /// Whether an entry with a prefix of at least `length` bits has this address.
    pub(super) fn holds(&self, address: IpAddr, length: u8) -> bool {
        let narrow = self.0.iter().filter(|network| network.prefix_len() >= length);
        narrow.into_iter().any(|network| network.contains(&address))
    }
}

impl FromStr for Networks {
    type Err = ListError;

    fn from_str(text: &str) -> Result<Self, ListError> {
        entries(text).map(network).collect::<Result<_, _>>().map(Self)
    }
}

fn network(text: &str) -> Result<IpNet, ListError> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    let network: IpNet = text
        .parse()
        .map_err(|_syntax| ListError::Network(text.to_owned()))?;
    if network == network.trunc() {
        Ok(network)
    } else {
        Err(ListError::Bits(network, network.trunc()))
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        join(f, &self.0)
    }
}

/// Names of hosts: `example.com` is that one, `*.example.com` are all below it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hosts(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Pattern {
    Name(String),
    /// All names that end so; begins with a dot.
    Below(String),
}

impl Hosts {
    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first entry that a name matches. The name has no final dot.
    pub(super) fn find(&self, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        let matches = |pattern: &&Pattern| match pattern {
            Pattern::Name(one) => *one == name,
            Pattern::Below(end) => name.len() > end.len() && name.ends_with(end.as_str()),
        };
        self.0.iter().find(matches).map(ToString::to_string)
    }
}

impl FromStr for Hosts {
    type Err = ListError;

    fn from_str(text: &str) -> Result<Self, ListError> {
        entries(text).map(pattern).collect::<Result<_, _>>().map(Self)
    }
}

fn pattern(text: &str) -> Result<Pattern, ListError> {
    let wrong = || ListError::Host(text.to_owned());
    let (below, name) = match text.strip_prefix("*.") {
        Some(name) => (true, name),
        None => (false, text),
    };
    // As URLs are read: lower case, other alphabets in their ASCII form.
    let name = match Host::parse(name).map_err(|_syntax| wrong())? {
        Host::Domain(name) => name,
        Host::Ipv4(_) | Host::Ipv6(_) => return Err(ListError::Address(text.to_owned())),
    };
    let name = name.strip_suffix('.').unwrap_or(&name);
    if name
        .split('.')
        .any(|label| label.is_empty() || label.contains('*'))
    {
        return Err(wrong());
    }
    Ok(if below {
        Pattern::Below(format!(".{name}"))
    } else {
        Pattern::Name(name.to_owned())
    })
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Below(end) => write!(f, "*{end}"),
        }
    }
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        join(f, &self.0)
    }
}

/// Ports, such as `80, 443, 8000-8999`; at least one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ports(Vec<RangeInclusive<u16>>);

impl Ports {
    /// Every port.
    #[must_use]
    pub fn any() -> Self {
        Self(vec![1..=u16::MAX])
    }

    pub(super) fn contain(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(&port))
    }
}

impl Default for Ports {
    fn default() -> Self {
        Self(vec![80..=80, 443..=443])
    }
}

impl FromStr for Ports {
    type Err = ListError;

    fn from_str(text: &str) -> Result<Self, ListError> {
        let ranges: Vec<_> = entries(text).map(port_range).collect::<Result<_, _>>()?;
        if ranges.is_empty() {
            return Err(ListError::NoPort);
        }
        Ok(Self(ranges))
    }
}

fn port_range(text: &str) -> Result<RangeInclusive<u16>, ListError> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.trim().parse::<u16>(), last.trim().parse::<u16>()) {
        (Ok(first), Ok(last)) if 0 < first && first <= last => Ok(first..=last),
        _ => Err(ListError::Port(text.to_owned())),
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = |range: &RangeInclusive<u16>| {
            if range.start() == range.end() {
                range.start().to_string()
            } else {
                format!("{}-{}", range.start(), range.end())
            }
        };
        join(f, &self.0.iter().map(written).collect::<Vec<_>>())
    }
}

fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

fn join(f: &mut fmt::Formatter<'_>, entries: &[impl fmt::Display]) -> fmt::Result {
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{entry}")?;
    }
    Ok(())
}
