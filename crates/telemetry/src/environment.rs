//! What the standard `OTEL_*` variables ask for.
//!
//! Which signal leaves, and how, is read here; endpoints, headers, timeouts, samplers, batches, intervals and the resource are read
//! by the SDK itself. A signal is pushed over OTLP if `OTEL_<SIGNAL>_EXPORTER` says so, or says nothing while an endpoint is
//! given: nobody who has no collector shall read of failed exports.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// How OTLP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// `grpc`.
    Grpc,
    /// `http/protobuf`, the default of the specification.
    Http,
}

/// Something that telemetry was asked for and cannot do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Mistake {
    #[error("{variable} is {value:?}, which is none of {known}; nothing of it is exported")]
    Unknown {
        variable: String,
        value: String,
        known: &'static str,
    },
    #[error("the {signal} are not exported: {source}")]
    Exporter {
        signal: &'static str,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The variables that begin with `OTEL_`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

/// Where Prometheus finds metrics if `OTEL_METRICS_EXPORTER` names it and nothing else is said.
const PROMETHEUS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);

impl Environment {
    pub(crate) fn read() -> Self {
        let all = std::env::vars_os();
        let text =
            all.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self(text.filter(|(name, _)| name.starts_with("OTEL_")).collect())
    }

    pub(crate) fn traces(&self) -> Result<Option<Over>, Mistake> {
        self.signal("TRACES", &["otlp", "none"])
    }

    pub(crate) fn metrics(&self) -> Result<Option<Over>, Mistake> {
        self.signal("METRICS", &["otlp", "none", "prometheus"])
    }

    pub(crate) fn logs(&self) -> Result<Option<Over>, Mistake> {
        self.signal("LOGS", &["otlp", "none"])
    }

    /// Where Prometheus is to find metrics, as far as these variables say.
    pub(crate) fn prometheus(&self, mistakes: &mut Vec<Mistake>) -> Option<SocketAddr> {
        let wanted = self.get("OTEL_METRICS_EXPORTER")?;
        if self.is_disabled() || !wanted.split(',').any(|name| name.trim() == "prometheus") {
            return None;
        }
        let ip = self.parsed(
            "OTEL_EXPORTER_PROMETHEUS_HOST",
            PROMETHEUS.ip(),
            "the IP addresses",
            mistakes,
        )?;
        let port = self.parsed(
            "OTEL_EXPORTER_PROMETHEUS_PORT",
            PROMETHEUS.port(),
            "the ports",
            mistakes,
        )?;
        Some(SocketAddr::new(ip, port))
    }

    fn parsed<T: std::str::FromStr>(
        &self,
        variable: &str,
        default: T,
        known: &'static str,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<T> {
        let Some(value) = self.get(variable) else {
            return Some(default);
        };
        let parsed = value.parse().ok();
        if parsed.is_none() {
            mistakes.push(Mistake::Unknown {
                variable: variable.to_owned(),
                value: value.to_owned(),
                known,
            });
        }
        parsed
    }

    fn get(&self, variable: &str) -> Option<&str> {
        // An empty one is as none, as the specification says.
        self.0
            .get(variable)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    fn is_disabled(&self) -> bool {
        self.get("OTEL_SDK_DISABLED")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn signal(&self, signal: &str, known: &[&str]) -> Result<Option<Over>, Mistake> {
        let exporter = format!("OTEL_{signal}_EXPORTER");
        let endpoint = format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT");
        let wanted = match self.get(&exporter) {
            Some(names) => {
                let names: Vec<_> = names.split(',').map(str::trim).collect();
                if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
                    return Err(Mistake::Unknown {
                        variable: exporter,
                        value: (*unknown).to_owned(),
                        known: if known.contains(&"prometheus") {
                            "`otlp`, `prometheus` and `none`"
                        } else {
                            "`otlp` and `none`"
                        },
                    });
                }
                names.contains(&"otlp")
            }
            None => [&*endpoint, "OTEL_EXPORTER_OTLP_ENDPOINT"]
                .into_iter()
                .any(|variable| self.get(variable).is_some()),
        };
        if !wanted || self.is_disabled() {
            return Ok(None);
        }
        let own = format!("OTEL_EXPORTER_OTLP_{signal}_PROTOCOL");
        let variable = if self.get(&own).is_some() {
            own
        } else {
            "OTEL_EXPORTER_OTLP_PROTOCOL".to_owned()
        };
        match self.get(&variable) {
            None | Some("http/protobuf") => Ok(Some(Over::Http)),
            Some("grpc") => Ok(Some(Over::Grpc)),
            Some(other) => Err(Mistake::Unknown {
                value: other.to_owned(),
                variable,
                known: "`http/protobuf` and `grpc`",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Environment(variables.iter().map(owned).collect())
    }

    #[test]
    fn nothing_leaves_unless_it_is_asked_for() {
        for none in [
            &[][..],
            &[("OTEL_SERVICE_NAME", "x")],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
                ("OTEL_TRACES_EXPORTER", "none"),
            ],
            &[("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_SDK_DISABLED", "TRUE")],
            &[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://c:4318")],
        ] {
            assert_eq!(environment(none).traces().unwrap(), None, "{none:?}");
        }
    }

    #[test]
    fn an_endpoint_or_an_exporter_asks_for_otlp_and_the_protocol_says_how() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
        let over = |variables: &[(&str, &str)]| environment(variables).traces().unwrap();
        assert_eq!(over(&[endpoint]), Some(Over::Http));
        assert_eq!(over(&[("OTEL_TRACES_EXPORTER", "otlp")]), Some(Over::Http));
        let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        assert_eq!(over(&[endpoint, grpc]), Some(Over::Grpc));
        let own = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf");
        assert_eq!(over(&[endpoint, grpc, own]), Some(Over::Http));
    }

    #[test]
    fn what_is_not_known_is_told_by_name() {
        let told = |variables: &[(&str, &str)]| environment(variables).metrics().unwrap_err().to_string();
        assert!(
            told(&[("OTEL_METRICS_EXPORTER", "otlp,statsd")])
                .contains("is \"statsd\", which is none of `otlp`, `prometheus`")
        );
        let json = [
            ("OTEL_METRICS_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ];
        assert!(told(&json).starts_with("OTEL_EXPORTER_OTLP_PROTOCOL is \"http/json\""));
    }

    #[test]
    fn prometheus_can_be_asked_for_by_the_standard_variables() {
        let mut mistakes = Vec::new();
        let asked = [("OTEL_METRICS_EXPORTER", "prometheus")];
        assert_eq!(environment(&asked).prometheus(&mut mistakes), Some(PROMETHEUS));
        assert_eq!(environment(&asked).metrics().unwrap(), None);
        let elsewhere = [
            asked[0],
            ("OTEL_EXPORTER_PROMETHEUS_HOST", "::"),
            ("OTEL_EXPORTER_PROMETHEUS_PORT", "9000"),
        ];
        let address = environment(&elsewhere).prometheus(&mut mistakes).unwrap();
        assert_eq!(address.to_string(), "[::]:9000");
        assert_eq!(environment(&[]).prometheus(&mut mistakes), None);
        assert!(mistakes.is_empty());
        let wrong = [asked[0], ("OTEL_EXPORTER_PROMETHEUS_PORT", "metrics")];
        assert_eq!(environment(&wrong).prometheus(&mut mistakes), None);
        assert!(
            mistakes[0]
                .to_string()
                .contains("OTEL_EXPORTER_PROMETHEUS_PORT is \"metrics\"")
        );
    }
}
