//! What the scenarios have in common: webhooks, and streams of numbered events.

use std::collections::BTreeMap;

use angarium_proto::registry::v1::authentication::Method;
use angarium_proto::registry::v1::{Authentication, NoAuthentication, Signature, Timetable, Webhook};
use angarium_signing::Secret;
use angarium_testkit::receiver::Receiver;
use angarium_testkit::stack::{Backends, Stack};
use anyhow::{Context, Result};

/// A stack of which these services answer over gRPC, `DELIVERY`, `FANOUT` or both, and the settings of commands that ask them.
pub(crate) async fn stack_that_answers(services: &[&str]) -> Result<(Stack, BTreeMap<String, String>)> {
    let ports: [u16; 2] = angarium_local::free_ports()?;
    let (mut listen, mut env) = (BTreeMap::new(), BTreeMap::new());
    for (service, port) in services.iter().zip(ports) {
        let at = format!("127.0.0.1:{port}");
        env.insert(format!("ANGARIUM_{service}_ENDPOINT"), format!("http://{at}"));
        listen.insert(format!("ANGARIUM_{service}_GRPC_LISTEN"), at);
    }
    let settings = listen.iter().chain(&env);
    let settings: Vec<(&str, &str)> = settings.map(|(name, at)| (name.as_str(), at.as_str())).collect();
    let stack = Stack::start_with(&Backends::shared()?, &settings).await?;
    env.insert(
        "ANGARIUM_OPERATOR_KEY".to_owned(),
        stack.key().expose().to_owned(),
    );
    Ok((stack, env))
}

/// A signed webhook for these types, whose hook checks what comes.
pub(crate) async fn signed_webhook(
    stack: &Stack,
    receiver: &Receiver,
    account: u64,
    hook: &str,
    event_types: &[&str],
) -> Result<Webhook> {
    let method = Method::Signature(Signature::default());
    let asked = Webhook::default();
    let webhook = create(stack, receiver, account, hook, event_types, method, asked).await?;
    receiver.verify(hook, &[secret(&webhook)?])?;
    Ok(webhook)
}

/// A webhook whose calls bear no proof of who sends them.
pub(crate) async fn unsigned_webhook(
    stack: &Stack,
    receiver: &Receiver,
    account: u64,
    hook: &str,
    event_types: &[&str],
) -> Result<Webhook> {
    unsigned_webhook_with(stack, receiver, account, hook, event_types, Webhook::default()).await
}

/// The same, with what else is asked of it.
pub(crate) async fn unsigned_webhook_with(
    stack: &Stack,
    receiver: &Receiver,
    account: u64,
    hook: &str,
    event_types: &[&str],
    asked: Webhook,
) -> Result<Webhook> {
    let method = Method::None(NoAuthentication {});
    create(stack, receiver, account, hook, event_types, method, asked).await
}

async fn create(
    stack: &Stack,
    receiver: &Receiver,
    account: u64,
    hook: &str,
    event_types: &[&str],
    method: Method,
    asked: Webhook,
) -> Result<Webhook> {
    let webhook = Webhook {
        account_id: account,
        name: hook.to_owned(),
        target_url: receiver.hook(hook),
        authentication: Some(Authentication { method: Some(method) }),
        event_types: event_types.iter().map(ToString::to_string).collect(),
        active: Some(true),
        timetable: Some(Timetable {
            cron: "*/2 * * * * *".to_owned(),
            time_zone: String::new(),
        }),
        ..asked
    };
    stack.create_webhook(webhook).await
}

/// The secret that an answer shows.
pub(crate) fn secret(webhook: &Webhook) -> Result<Secret> {
    let authentication = webhook.authentication.as_ref().and_then(|a| a.method.as_ref());
    let Some(Method::Signature(signature)) = authentication else {
        anyhow::bail!("the webhook is not signed");
    };
    signature
        .secret
        .parse()
        .context("the secret that the registry has made")
}

/// The JSON of a numbered event.
pub(crate) fn numbered(event_name: &str, number: u64) -> String {
    format!(r#"{{"eventId":"event-{number}","eventName":"{event_name}","data":{{"n":{number}}}}}"#)
}

/// Whether every request so far that had a signature to check was signed well.
pub(crate) fn assert_all_verified(receiver: &Receiver) {
    for request in receiver.received() {
        assert_eq!(request.verified, Some(Ok(())), "W2: {}", request.hook);
    }
}
