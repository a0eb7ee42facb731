//! The servers' configuration files, filled in at every start.

/// One Kafka node.
pub(crate) const KAFKA: &str = include_str!("../../../deploy/local/kafka/server.properties");
/// Redis.
pub(crate) const REDIS: &str = include_str!("../../../deploy/local/redis.conf");

/// Puts each value in the place of its `{{name}}`.
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{{{name}}}}}"), value)
    })
}
