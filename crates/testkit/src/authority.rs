//! A certificate authority of the tests, for servers that speak TLS.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;

/// An authority, with a key of its own.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// When a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Now.
    Good,
    /// Until the 2nd of January 2020.
    Expired,
    /// From the 1st of January 2090.
    NotYet,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn new() -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = named("Authority of the tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate()?;
        Ok(Self {
            issuer: CertifiedIssuer::self_signed(params, key)?,
        })
    }

    /// Its certificate, as clients are given it.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server that shows the authority's own certificate, as people make one without thinking of authorities.
    ///
    /// # Errors
    /// When a name is none.
    pub fn as_server(names: &[&str]) -> anyhow::Result<Arc<ServerConfig>> {
        let mut params = for_names(names)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        serving(&certificate, &key)
    }

    /// A server that shows a certificate for these names and addresses, and speaks HTTP/1.1.
    ///
    /// # Errors
    /// When a name is none.
    pub fn server(&self, names: &[&str], validity: Validity) -> anyhow::Result<Arc<ServerConfig>> {
        let mut params = for_names(names)?;
        match validity {
            Validity::Good => {}
            Validity::Expired => params.not_after = date_time_ymd(2020, 1, 2),
            Validity::NotYet => params.not_before = date_time_ymd(2090, 1, 1),
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        serving(&certificate, &key)
    }
}

fn for_names(names: &[&str]) -> anyhow::Result<CertificateParams> {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = named("Receiver of the tests");
    Ok(params)
}

fn serving(certificate: &Certificate, key: &KeyPair) -> anyhow::Result<Arc<ServerConfig>> {
    let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
}
