use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn policy(change: impl FnOnce(&mut Rules)) -> Policy {
    let mut rules = Rules::default();
    change(&mut rules);
    Policy::new(rules)
}

fn allowing(networks: &str) -> Policy {
    policy(|rules| rules.allow = networks.parse().unwrap())
}

fn kind(policy: &Policy, address: IpAddr) -> Option<Kind> {
    match policy.vet_address(address, 443) {
        Ok(()) => None,
        Err(Refusal::Special { kind, .. }) => Some(kind),
        Err(other) => panic!("{address}: {other}"),
    }
}

/// The address before the first, the first, the last, the address after the last, and what they are.
type Row = (Option<Kind>, &'static str, Kind, &'static str, Option<Kind>);

const PUBLIC: Option<Kind> = None;
const RESERVED: Option<Kind> = Some(Kind::Reserved);

const V4: &[Row] = &[
    (PUBLIC, "0.0.0.0", Kind::Unspecified, "0.255.255.255", PUBLIC),
    (PUBLIC, "10.0.0.0", Kind::Private, "10.255.255.255", PUBLIC),
    (PUBLIC, "100.64.0.0", Kind::CarrierNat, "100.127.255.255", PUBLIC),
    (
        Some(Kind::CarrierNat),
        "100.100.100.200",
        Kind::Metadata,
        "100.100.100.200",
        Some(Kind::CarrierNat),
    ),
    (PUBLIC, "127.0.0.0", Kind::Loopback, "127.255.255.255", PUBLIC),
    (PUBLIC, "168.63.129.16", Kind::Metadata, "168.63.129.16", PUBLIC),
    (PUBLIC, "169.254.0.0", Kind::LinkLocal, "169.254.255.255", PUBLIC),
    (
        Some(Kind::LinkLocal),
        "169.254.169.254",
        Kind::Metadata,
        "169.254.169.254",
        Some(Kind::LinkLocal),
    ),
    (
        Some(Kind::LinkLocal),
        "169.254.170.2",
        Kind::Metadata,
        "169.254.170.2",
        Some(Kind::LinkLocal),
    ),
    (
        Some(Kind::LinkLocal),
        "169.254.170.23",
        Kind::Metadata,
        "169.254.170.23",
        Some(Kind::LinkLocal),
    ),
    (PUBLIC, "172.16.0.0", Kind::Private, "172.31.255.255", PUBLIC),
    (PUBLIC, "192.0.0.0", Kind::Reserved, "192.0.0.255", PUBLIC),
    (RESERVED, "192.0.0.192", Kind::Metadata, "192.0.0.192", RESERVED),
    (PUBLIC, "192.0.2.0", Kind::Documentation, "192.0.2.255", PUBLIC),
    (PUBLIC, "192.88.99.0", Kind::SixToFour, "192.88.99.255", PUBLIC),
    (PUBLIC, "192.168.0.0", Kind::Private, "192.168.255.255", PUBLIC),
    (PUBLIC, "198.18.0.0", Kind::Benchmarking, "198.19.255.255", PUBLIC),
    (
        PUBLIC,
        "198.51.100.0",
        Kind::Documentation,
        "198.51.100.255",
        PUBLIC,
    ),
    (
        PUBLIC,
        "203.0.113.0",
        Kind::Documentation,
        "203.0.113.255",
        PUBLIC,
    ),
    (PUBLIC, "224.0.0.0", Kind::Multicast, "239.255.255.255", RESERVED),
    (
        Some(Kind::Multicast),
        "240.0.0.0",
        Kind::Reserved,
        "255.255.255.254",
        Some(Kind::Broadcast),
    ),
    (
        RESERVED,
        "255.255.255.255",
        Kind::Broadcast,
        "255.255.255.255",
        PUBLIC,
    ),
];

/// The ends of each range that no narrower range covers.
const V6: &[Row] = &[
    (PUBLIC, "::", Kind::Unspecified, "::", Some(Kind::Loopback)),
    (
        Some(Kind::Unspecified),
        "::1",
        Kind::Loopback,
        "::1",
        Some(Kind::Compatible),
    ),
    (
        Some(Kind::Loopback),
        "::2",
        Kind::Compatible,
        "::ffff:ffff",
        RESERVED,
    ),
    (
        RESERVED,
        "::ffff:0:0",
        Kind::Mapped,
        "::ffff:255.255.255.255",
        RESERVED,
    ),
    (
        RESERVED,
        "::ffff:0:0:0",
        Kind::Translated,
        "::ffff:0:255.255.255.255",
        RESERVED,
    ),
    (
        RESERVED,
        "64:ff9b::",
        Kind::Nat64,
        "64:ff9b::255.255.255.255",
        RESERVED,
    ),
    (
        RESERVED,
        "64:ff9b:1::",
        Kind::LocalNat64,
        "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
        RESERVED,
    ),
    (
        RESERVED,
        "100::",
        Kind::Discard,
        "100::1:ffff:ffff:ffff:ffff",
        RESERVED,
    ),
    (
        RESERVED,
        "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        Kind::Reserved,
        "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        PUBLIC,
    ),
    (
        PUBLIC,
        "2001::",
        Kind::Teredo,
        "2001:0:ffff:ffff:ffff:ffff:ffff:ffff",
        RESERVED,
    ),
    (
        RESERVED,
        "2001:2::",
        Kind::Benchmarking,
        "2001:2:0:ffff:ffff:ffff:ffff:ffff",
        RESERVED,
    ),
    (
        Some(Kind::Benchmarking),
        "2001:2:1::",
        Kind::Reserved,
        "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
        PUBLIC,
    ),
    (
        PUBLIC,
        "2001:db8::",
        Kind::Documentation,
        "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
        PUBLIC,
    ),
    (
        PUBLIC,
        "2002::",
        Kind::SixToFour,
        "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        PUBLIC,
    ),
    (
        PUBLIC,
        "3fff::",
        Kind::Documentation,
        "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
        PUBLIC,
    ),
    (
        PUBLIC,
        "4000::",
        Kind::Reserved,
        "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        Some(Kind::UniqueLocal),
    ),
    (
        RESERVED,
        "fc00::",
        Kind::UniqueLocal,
        "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        RESERVED,
    ),
    (
        Some(Kind::UniqueLocal),
        "fd00:ec2::254",
        Kind::Metadata,
        "fd00:ec2::254",
        Some(Kind::UniqueLocal),
    ),
    (
        Some(Kind::UniqueLocal),
        "fd00:ec2::23",
        Kind::Metadata,
        "fd00:ec2::23",
        Some(Kind::UniqueLocal),
    ),
    (
        Some(Kind::UniqueLocal),
        "fd20:ce::254",
        Kind::Metadata,
        "fd20:ce::254",
        Some(Kind::UniqueLocal),
    ),
    (
        RESERVED,
        "fe80::",
        Kind::LinkLocal,
        "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        Some(Kind::SiteLocal),
    ),
    (
        Some(Kind::LinkLocal),
        "fe80::a9fe:a9fe",
        Kind::Metadata,
        "fe80::a9fe:a9fe",
        Some(Kind::LinkLocal),
    ),
    (
        Some(Kind::LinkLocal),
        "fec0::",
        Kind::SiteLocal,
        "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        Some(Kind::Multicast),
    ),
    (
        Some(Kind::SiteLocal),
        "ff00::",
        Kind::Multicast,
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        PUBLIC,
    ),
];

/// The address `by` further on; `None` beyond the ends.
fn further(address: IpAddr, by: i8) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => {
            let bits = address.to_bits().checked_add_signed(by.into())?;
            Some(Ipv4Addr::from_bits(bits).into())
        }
        IpAddr::V6(address) => {
            let bits = address.to_bits().checked_add_signed(by.into())?;
            Some(Ipv6Addr::from_bits(bits).into())
        }
    }
}

#[test]
fn every_special_range_is_refused_from_its_first_address_to_its_last_and_not_beyond() {
    let policy = Policy::default();
    for (before, first, within, last, after) in V4.iter().chain(V6) {
        let (first, last) = (ip(first), ip(last));
        assert_eq!(kind(&policy, first), Some(*within), "{first}");
        assert_eq!(kind(&policy, last), Some(*within), "{last}");
        if let Some(neighbour) = further(first, -1) {
            assert_eq!(kind(&policy, neighbour), *before, "{neighbour}, before {first}");
        }
        if let Some(neighbour) = further(last, 1) {
            assert_eq!(kind(&policy, neighbour), *after, "{neighbour}, after {last}");
        }
    }
}

#[test]
fn public_addresses_are_allowed() {
    for address in [
        "8.8.8.8",
        "1.1.1.1",
        "93.184.215.14",
        "2606:4700::1111",
        "2a00:1450::1",
    ] {
        assert_eq!(
            Policy::default().vet_address(ip(address), 443),
            Ok(()),
            "{address}"
        );
    }
}

#[test]
fn a_form_that_is_allowed_must_still_carry_an_allowed_ipv4_address() {
    let all = allowing("::/0, 64:ff9b:1::/96");
    for (carries_public, carries_private) in [
        ("::ffff:8.8.8.8", "::ffff:10.0.0.1"),
        ("::8.8.8.8", "::10.0.0.1"),
        ("::ffff:0:8.8.8.8", "::ffff:0:10.0.0.1"),
        ("64:ff9b::8.8.8.8", "64:ff9b::10.0.0.1"),
        ("64:ff9b:1::8.8.8.8", "64:ff9b:1::10.0.0.1"),
        ("2002:808:808::1", "2002:a00:1::1"),
        // Its server is 8.8.8.8; the client 8.8.4.4, then 10.0.0.1, inverted.
        ("2001:0:808:808:0:0:f7f7:fbfb", "2001:0:808:808:0:0:f5ff:fffe"),
        // The client is public, the server is not.
        ("2001:0:808:808:0:0:f7f7:fbfb", "2001:0:a00:1:0:0:f7f7:fbfb"),
    ] {
        assert_eq!(
            all.vet_address(ip(carries_public), 443),
            Ok(()),
            "{carries_public}"
        );
        let refusal = all.vet_address(ip(carries_private), 443).unwrap_err();
        assert!(
            refusal.to_string().contains("10.0.0.1 is a private address"),
            "{carries_private}: {refusal}"
        );
    }
}

#[test]
fn a_local_translator_is_allowed_by_an_entry_that_says_where_the_ipv4_address_stands() {
    for wide in ["64:ff9b:1::/48", "64:ff9b:1::/64", "::/0"] {
        // Under a prefix of 48 bits it leads to 127.0.0.1.
        let hidden = ip("64:ff9b:1:7f00:0:100:808:808");
        assert_eq!(kind(&allowing(wide), hidden), Some(Kind::LocalNat64), "{wide}");
    }
}

#[test]
fn a_denial_beats_every_permission() {
    let policy = policy(|rules| {
        rules.allow_private = true;
        rules.allow = "10.0.0.0/8, ::/0".parse().unwrap();
        rules.deny = "10.1.0.0/16, 8.8.8.8".parse().unwrap();
    });
    assert_eq!(policy.vet_address(ip("10.0.0.1"), 443), Ok(()));
    for denied in ["10.1.0.1", "8.8.8.8"] {
        let refusal = policy.vet_address(ip(denied), 443).unwrap_err();
        assert!(matches!(refusal, Refusal::AddressDenied { .. }), "{refusal}");
    }
    let refusal = policy.vet_address(ip("64:ff9b::8.8.8.8"), 443).unwrap_err();
    assert!(
        refusal.to_string().contains("egress.deny (8.8.8.8/32)"),
        "{refusal}"
    );
}

#[test]
fn metadata_services_are_lifted_by_their_own_address_alone() {
    for wide in ["0.0.0.0/0, ::/0", "169.254.0.0/16", "169.254.169.254/31"] {
        let refused = kind(&allowing(wide), ip("169.254.169.254"));
        assert_eq!(refused, Some(Kind::Metadata), "{wide}");
    }
    let exact = allowing("169.254.169.254");
    assert_eq!(exact.vet_address(ip("169.254.169.254"), 443), Ok(()));
    let private = policy(|rules| rules.allow_private = true);
    assert_eq!(kind(&private, ip("fd00:ec2::254")), Some(Kind::Metadata));
}

#[test]
fn private_networks_and_this_machine_have_switches_of_their_own() {
    let private = policy(|rules| rules.allow_private = true);
    let local = policy(|rules| rules.allow_loopback = true);
    for address in ["10.0.0.1", "172.16.0.1", "192.168.0.1", "fd12::1"] {
        assert_eq!(private.vet_address(ip(address), 443), Ok(()), "{address}");
        assert!(local.vet_address(ip(address), 443).is_err(), "{address}");
    }
    for address in ["127.0.0.1", "127.255.0.1", "::1"] {
        assert_eq!(local.vet_address(ip(address), 443), Ok(()), "{address}");
        assert!(private.vet_address(ip(address), 443).is_err(), "{address}");
    }
    for address in ["169.254.1.1", "100.64.0.1", "0.0.0.0", "fe80::1"] {
        assert!(local.vet_address(ip(address), 443).is_err(), "{address}");
        assert!(private.vet_address(ip(address), 443).is_err(), "{address}");
    }
}

#[test]
fn a_url_is_https_on_the_usual_ports_unless_more_is_allowed() {
    let policy_of = Policy::new;
    let strict = Policy::default();
    assert_eq!(strict.vet_url(&url("https://example.com/hooks")), Ok(()));
    assert_eq!(strict.vet_url(&url("https://example.com:80/hooks")), Ok(()));
    assert_eq!(
        strict.vet_url(&url("http://example.com/")),
        Err(Refusal::PlainHttp)
    );
    assert_eq!(
        strict.vet_url(&url("ftp://example.com/")),
        Err(Refusal::Scheme("ftp".to_owned()))
    );
    let refusal = strict.vet_url(&url("https://example.com:8443/")).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "port 8443 is refused: use one of 80, 443, or let the operator add it to egress.ports"
    );
    let address = ip("8.8.8.8");
    assert!(matches!(
        strict.vet_address(address, 22),
        Err(Refusal::Port { port: 22, .. })
    ));

    let open = policy_of(Rules::this_machine());
    assert_eq!(open.vet_url(&url("http://127.0.0.1:34567/")), Ok(()));
    assert_eq!(open.vet_url(&url("http://localhost:34567/")), Ok(()));
    assert!(open.vet_url(&url("http://10.0.0.1/")).is_err());
}

#[test]
fn an_address_in_a_url_is_vetted_however_it_is_spelt() {
    for spelling in [
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://１２７.0.0.1/",
    ] {
        let refusal = Policy::default().vet_url(&url(spelling)).unwrap_err();
        assert!(
            refusal
                .to_string()
                .starts_with("127.0.0.1 is a loopback address (127.0.0.0/8)"),
            "{spelling}: {refusal}"
        );
    }
    assert!(
        Policy::default()
            .vet_url(&url("https://[::ffff:127.0.0.1]/"))
            .is_err()
    );
    assert!("https://[fe80::1%25eth0]/".parse::<Url>().is_err());
}

#[test]
fn names_of_this_machine_are_refused_unless_it_may_be_called() {
    for name in [
        "https://localhost/",
        "https://LOCALHOST/",
        "https://localhost./",
        "https://api.localhost/",
    ] {
        let refusal = Policy::default().vet_url(&url(name)).unwrap_err();
        assert!(matches!(refusal, Refusal::Localhost(_)), "{name}: {refusal}");
        assert_eq!(allowing("127.0.0.0/8").vet_url(&url(name)), Ok(()), "{name}");
    }
    assert_eq!(
        Policy::default().vet_url(&url("https://localhost.example.com/")),
        Ok(())
    );
}

#[test]
fn lists_of_hosts_take_a_name_or_all_names_below_one() {
    let policy = policy(|rules| {
        rules.only_hosts = "example.com, *.partner.example, BÜCHER.example.".parse().unwrap();
        rules.deny_hosts = "bad.partner.example".parse().unwrap();
    });
    for good in [
        "https://example.com/",
        "https://example.com./",
        "https://a.partner.example/",
        "https://a.b.partner.example/",
        "https://bücher.example/",
    ] {
        assert_eq!(policy.vet_url(&url(good)), Ok(()), "{good}");
    }
    for unlisted in [
        "https://sub.example.com/",
        "https://partner.example/",
        "https://evilpartner.example/",
        "https://8.8.8.8/",
    ] {
        let refusal = policy.vet_url(&url(unlisted)).unwrap_err();
        assert!(
            matches!(refusal, Refusal::HostNotListed(_)),
            "{unlisted}: {refusal}"
        );
    }
    let refusal = policy.vet_url(&url("https://bad.partner.example/")).unwrap_err();
    assert!(matches!(refusal, Refusal::HostDenied { .. }), "{refusal}");
}

#[test]
fn a_refusal_says_what_why_and_what_to_do() {
    let told = |address| {
        Policy::default()
            .vet_address(ip(address), 443)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        told("10.1.2.3"),
        "10.1.2.3 is a private address (10.0.0.0/8) and refused: use a public address, or let the operator set \
         egress.allow_private, or add the network to egress.allow"
    );
    assert!(told("127.0.0.1").contains("egress.allow_loopback"));
    assert!(told("169.254.169.254").contains("add this very address to egress.allow"));
}

#[test]
fn what_is_wrong_with_a_list_is_told() {
    let networks = |text: &str| text.parse::<Networks>().unwrap_err().to_string();
    assert_eq!(
        networks("10.0.0.1/8"),
        "10.0.0.1/8 has bits beyond its prefix; did you mean 10.0.0.0/8?"
    );
    assert!(networks("10.0.0.0/33").contains("is no network"));
    assert!(networks("example.com").contains("is no network"));
    let hosts = |text: &str| text.parse::<Hosts>().unwrap_err().to_string();
    assert!(hosts("10.0.0.1").contains("is an address"));
    for wrong in [
        "*",
        "*.",
        "a.*.example",
        "*example.com",
        "a b",
        "https://example.com",
        "a..b",
    ] {
        assert!(hosts(wrong).contains("is no host"), "{wrong}");
    }
    let ports = |text: &str| text.parse::<Ports>().unwrap_err().to_string();
    for wrong in ["0", "65536", "9-8", "http", "1-2-3"] {
        assert!(ports(wrong).contains("is no port"), "{wrong}");
    }
    assert!(ports(" , ").contains("at least one port"));
}

#[test]
fn every_change_of_a_rule_is_another_generation() {
    let changes: [fn(&mut Rules); 9] = [
        |_| {},
        |rules| rules.allow_http = true,
        |rules| rules.allow_loopback = true,
        |rules| rules.allow_private = true,
        |rules| rules.ports = Ports::any(),
        |rules| rules.allow = "10.0.0.0/8".parse().unwrap(),
        |rules| rules.deny = "10.0.0.0/8".parse().unwrap(),
        |rules| rules.only_hosts = "example.com".parse().unwrap(),
        |rules| rules.deny_hosts = "example.com".parse().unwrap(),
    ];
    let generations: HashSet<_> = changes.iter().map(|change| policy(change).generation()).collect();
    assert_eq!(generations.len(), changes.len());
    assert_eq!(Policy::default().generation(), Policy::default().generation());
}

fn any_ip() -> impl Strategy<Value = IpAddr> {
    let special = prop::sample::select(
        V4.iter()
            .chain(V6)
            .flat_map(|row| [row.1, row.3])
            .collect::<Vec<_>>(),
    );
    let near = (special, -3_i8..=3).prop_filter_map("beyond the ends", |(text, by)| further(ip(text), by));
    prop_oneof![
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
        near,
    ]
}

fn any_network() -> impl Strategy<Value = Networks> {
    (any_ip(), any::<u8>()).prop_map(|(address, length)| {
        let length = length % if address.is_ipv4() { 33 } else { 129 };
        let network = ipnet::IpNet::new(address, length).unwrap().trunc();
        network.to_string().parse().unwrap()
    })
}

fn any_rules() -> impl Strategy<Value = Rules> {
    (any::<bool>(), any::<bool>(), any_network(), any_network()).prop_map(
        |(allow_loopback, allow_private, allow, deny)| Rules {
            allow_loopback,
            allow_private,
            allow,
            deny,
            ..Rules::default()
        },
    )
}

/// Every IPv6 form of an IPv4 address.
fn forms(address: Ipv4Addr) -> [Ipv6Addr; 6] {
    let [high, low] =
        [address.to_bits() >> 16, address.to_bits() & 0xffff].map(|half| u16::try_from(half).unwrap());
    [
        Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        Ipv6Addr::new(0x2001, 0, 0x808, 0x808, 0, 0, !high, !low),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_the_standard_library_calls_special_is_refused(bits in any::<u32>(), near in any_ip()) {
        for address in [IpAddr::from(Ipv4Addr::from_bits(bits)), near] {
            let special = match address {
                IpAddr::V4(v4) => {
                    v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                        || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified()
                }
                IpAddr::V6(v6) => {
                    v6.is_loopback() || v6.is_unspecified() || v6.is_multicast() || v6.is_unique_local()
                        || v6.is_unicast_link_local() || v6.to_ipv4().is_some()
                }
            };
            prop_assert!(!special || Policy::default().vet_address(address, 443).is_err(), "{}", address);
        }
    }

    #[test]
    fn an_ipv4_address_that_is_refused_is_refused_in_every_form(rules in any_rules(), address in any_ip()) {
        let IpAddr::V4(v4) = address else { return Ok(()) };
        let policy = Policy::new(rules.clone());
        // Now every form is allowed that the rules do not deny.
        let allow = format!("{}, ::/0, 64:ff9b:1::/96", rules.allow).parse().unwrap();
        let wide = Policy::new(Rules { allow, ..rules });
        for form in forms(v4) {
            if wide.vet_address(form.into(), 443).is_ok() {
                prop_assert_eq!(policy.vet_address(address, 443), Ok(()), "{}", form);
            }
        }
    }

    #[test]
    fn denying_more_never_allows_more_and_allowing_more_never_refuses_more(
        rules in any_rules(), more in any_network(), address in any_ip(),
    ) {
        let vets = |rules: Rules| Policy::new(rules).vet_address(address, 443).is_ok();
        let both = |one: &Networks| format!("{one}, {more}").parse().unwrap();
        let before = vets(rules.clone());
        let denying = vets(Rules { deny: both(&rules.deny), ..rules.clone() });
        prop_assert!(before || !denying);
        let allowing = vets(Rules { allow: both(&rules.allow), ..rules.clone() });
        prop_assert!(!before || allowing);
    }

    #[test]
    fn what_is_denied_is_never_allowed(rules in any_rules(), address in any_ip()) {
        let deny = address.to_string().parse().unwrap();
        let policy = Policy::new(Rules { deny, ..rules });
        prop_assert!(policy.vet_address(address, 443).is_err());
    }

    #[test]
    fn an_address_as_a_url_gets_the_answer_that_it_gets_as_an_address(rules in any_rules(), address in any_ip()) {
        let policy = Policy::new(rules);
        let text = match address {
            IpAddr::V4(address) => format!("https://{address}/"),
            IpAddr::V6(address) => format!("https://[{address}]/"),
        };
        prop_assert_eq!(policy.vet_url(&url(&text)), policy.vet_address(address, 443));
    }

    #[test]
    fn any_text_is_a_list_that_reads_back_or_a_mistake(text in "[0-9a-f.:/*, -]{0,40}|.{0,40}") {
        if let Ok(networks) = text.parse::<Networks>() {
            prop_assert_eq!(networks.to_string().parse(), Ok(networks));
        }
        if let Ok(hosts) = text.parse::<Hosts>() {
            prop_assert_eq!(hosts.to_string().parse(), Ok(hosts));
        }
        if let Ok(ports) = text.parse::<Ports>() {
            prop_assert_eq!(ports.to_string().parse(), Ok(ports));
        }
    }

    #[test]
    fn any_url_is_vetted_without_a_panic(rules in any_rules(), text in "(https?|ftp|data):(//)?.{0,40}") {
        if let Ok(url) = text.parse() {
            let _either = Policy::new(rules).vet_url(&url).is_ok();
        }
    }
}
