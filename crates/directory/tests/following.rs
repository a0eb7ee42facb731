//! A directory follows a real registry over an in-process Kafka.

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use angarium_directory::{Directory, Keep};
    use angarium_kafka::MockBroker;
    use angarium_kafka::topics::Layout;
    use angarium_model::{AccountId, Authentication, Disabled, DisabledReason, EventName, WebhookId};
    use angarium_proto::registry::v1::registry_service_client::RegistryServiceClient;
    use angarium_proto::registry::v1::{
        self, Account, CreateAccountRequest, CreateWebhookRequest, DeleteAccountRequest,
        DeleteWebhookRequest, NoAuthentication, Signature, UpdateWebhookRequest, Webhook,
        authentication::Method,
    };
    use angarium_registry::{Config, Service};
    use angarium_runtime::access::OperatorKey;
    use angarium_runtime::{Clock, Shutdown, Tasks, grpc};

    const ACCOUNT: u64 = 1234;
    const DEADLINE: Duration = Duration::from_secs(20);

    /// A registry, its Kafka and a client.
    struct Registry {
        broker: MockBroker,
        config: Config,
        tasks: Tasks,
        client: grpc::Client,
    }

    impl Registry {
        /// With account 1234.
        async fn start() -> Self {
            let broker = MockBroker::start(&Layout::default()).unwrap();
            let mut config = Config::new(SocketAddr::from(([127, 0, 0, 1], 0)), OperatorKey::generate());
            config.followers_return = Duration::ZERO;
            let tasks = Tasks::new(Shutdown::new());
            config.listen = serve(&broker, &config, &tasks).await;
            let client = grpc::client(&format!("http://{}", config.listen), &config.key).unwrap();
            let registry = Self {
                broker,
                config,
                tasks,
                client,
            };
            let account = Some(Account {
                id: ACCOUNT,
                name: "Acme".into(),
                ..Account::default()
            });
            registry
                .call()
                .create_account(CreateAccountRequest { account })
                .await
                .unwrap();
            registry
        }

        async fn stop(&self) {
            self.tasks.shutdown().begin();
            self.tasks.join(DEADLINE).await.unwrap();
        }

        /// Serves again at the address where it was.
        async fn come_back(&mut self) {
            self.tasks = Tasks::new(Shutdown::new());
            serve(&self.broker, &self.config, &self.tasks).await;
        }

        fn call(&self) -> RegistryServiceClient<grpc::Client> {
            RegistryServiceClient::new(self.client.clone())
        }

        async fn create(&self, types: &[&str], active: bool) -> Webhook {
            let webhook = Webhook {
                account_id: ACCOUNT,
                name: "HR".into(),
                target_url: "https://example.com/hooks".into(),
                authentication: Some(v1::Authentication {
                    method: Some(Method::None(NoAuthentication {})),
                }),
                event_types: types.iter().map(ToString::to_string).collect(),
                active: Some(active),
                ..Webhook::default()
            };
            self.create_as(webhook).await
        }

        async fn create_as(&self, webhook: Webhook) -> Webhook {
            let request = CreateWebhookRequest {
                webhook: Some(webhook),
                ..CreateWebhookRequest::default()
            };
            self.call()
                .create_webhook(request)
                .await
                .unwrap()
                .into_inner()
                .webhook
                .unwrap()
        }

        async fn update(&self, webhook: Webhook) {
            let request = UpdateWebhookRequest {
                webhook: Some(webhook),
                update_mask: None,
            };
            self.call().update_webhook(request).await.unwrap();
        }

        async fn follow(&self, keep: Keep, tasks: &Tasks) -> Directory {
            let address = grpc::Address::new(&format!("http://{}", self.config.listen), &self.config.key);
            let directory = Directory::follow(address.unwrap(), keep, Clock::system(), tasks);
            tokio::time::timeout(DEADLINE, directory.ready()).await.unwrap();
            directory
        }
    }

    impl Drop for Registry {
        fn drop(&mut self) {
            self.tasks.shutdown().begin();
        }
    }

    async fn serve(broker: &MockBroker, config: &Config, tasks: &Tasks) -> SocketAddr {
        let names = Layout::default().names();
        let started = Service::start(
            config.clone(),
            &broker.connection(),
            &names,
            Clock::system(),
            tasks,
        )
        .await;
        started.unwrap().address()
    }

    fn account() -> AccountId {
        AccountId::new(ACCOUNT).unwrap()
    }

    fn id(webhook: &Webhook) -> WebhookId {
        webhook.id.parse().unwrap()
    }

    /// The active webhooks and the inactive ones.
    fn matched(directory: &Directory, name: &str) -> (Vec<WebhookId>, Vec<WebhookId>) {
        let matched = directory
            .view()
            .webhooks_for(account(), &EventName::new(name).unwrap(), |_| Ok(true));
        (matched.active, matched.inactive)
    }

    /// Waits until the view is so.
    async fn until(directory: &Directory, is_so: impl Fn(&Directory) -> bool) {
        let mut changes = directory.changes();
        let so = changes.wait_for(|_| is_so(directory));
        tokio::time::timeout(DEADLINE, so)
            .await
            .expect("the view should have changed")
            .unwrap();
    }

    #[tokio::test]
    async fn w1_w7_webhooks_are_found_by_type_prefix_and_star_and_inactive_ones_told_apart() {
        let registry = Registry::start().await;
        let exact = registry.create(&["COURSE_ENROLLMENT"], true).await;
        let prefix = registry.create(&["COURSE_*", "COURSE_ENROLLMENT"], true).await;
        let all = registry.create(&["*"], true).await;
        let off = registry.create(&["COURSE_*"], false).await;
        let tasks = Tasks::new(Shutdown::new());
        let directory = registry.follow(Keep::Interests, &tasks).await;

        let ids = |webhooks: &[&Webhook]| webhooks.iter().map(|webhook| id(webhook)).collect::<Vec<_>>();
        let courses = (ids(&[&exact, &prefix, &all]), ids(&[&off]));
        assert_eq!(matched(&directory, "COURSE_ENROLLMENT"), courses);
        assert_eq!(
            matched(&directory, "COURSE_COMPLETED"),
            (ids(&[&prefix, &all]), ids(&[&off]))
        );
        assert_eq!(matched(&directory, "CI_STATS"), (ids(&[&all]), vec![]));
        assert_eq!(directory.account(account()).unwrap().name, "Acme");
        assert_eq!(
            directory.interest(id(&off)).unwrap().revision.offset(),
            off.revision
        );
        assert_eq!(
            directory.revision(account()).offset(),
            off.revision,
            "the last write of the partition"
        );
        assert!(directory.age(Clock::system().now_ms()) < DEADLINE);
        tasks.shutdown().begin();
        tasks.join(DEADLINE).await.unwrap();
    }

    #[tokio::test]
    async fn d3_a_follower_learns_the_settings_of_a_webhook_and_why_it_was_disabled() {
        let registry = Registry::start().await;
        let tasks = Tasks::new(Shutdown::new());
        let directory = registry.follow(Keep::Everything, &tasks).await;
        let webhook = registry.create(&["CI_STATS"], true).await;
        registry
            .update(Webhook {
                ordering: v1::Ordering::Unordered.into(),
                limits: Some(v1::Limits {
                    max_in_flight: Some(4),
                    ..v1::Limits::default()
                }),
                ..webhook.clone()
            })
            .await;
        let known = || directory.webhook(id(&webhook));
        let in_flight = |_: &Directory| known().is_some_and(|it| it.ordering.max_in_flight().get() == 4);
        until(&directory, in_flight).await;

        let disable = v1::DisableWebhookRequest {
            account_id: ACCOUNT,
            id: webhook.id.clone(),
            reason: v1::DisabledReason::Gone.into(),
            detail: String::new(),
            revision: known().unwrap().revision.offset(),
        };
        registry.call().disable_webhook(disable).await.unwrap();
        until(&directory, |_| known().is_some_and(|it| !it.active)).await;
        let reason = known().unwrap().disabled.as_ref().map(Disabled::reason);
        assert_eq!(reason, Some(DisabledReason::Gone));
        assert_eq!(matched(&directory, "CI_STATS"), (vec![], vec![id(&webhook)]));
        tasks.shutdown().begin();
    }

    #[tokio::test]
    async fn w4_a_change_moves_a_webhook_in_the_index_and_a_deletion_takes_it_out() {
        let registry = Registry::start().await;
        let tasks = Tasks::new(Shutdown::new());
        let directory = registry.follow(Keep::Interests, &tasks).await;
        let webhook = registry.create(&["CI_STATS"], true).await;
        let found = |name: &'static str| {
            let id = id(&webhook);
            move |directory: &Directory| matched(directory, name) == (vec![id], vec![])
        };
        until(&directory, found("CI_STATS")).await;
        let before = directory
            .view()
            .webhooks_for(account(), &EventName::new("CI_STATS").unwrap(), |_| Ok(true))
            .revision;

        registry
            .update(Webhook {
                event_types: vec!["LEARNER_*".into()],
                ..webhook.clone()
            })
            .await;
        until(&directory, found("LEARNER_PROGRESS")).await;
        let after = directory
            .view()
            .webhooks_for(account(), &EventName::new("CI_STATS").unwrap(), |_| Ok(true));
        assert!(after.active.is_empty() && after.revision > before);

        let delete = DeleteWebhookRequest {
            account_id: ACCOUNT,
            id: webhook.id.clone(),
            revision: 0,
        };
        registry.call().delete_webhook(delete).await.unwrap();
        until(&directory, |directory| directory.webhook(id(&webhook)).is_none()).await;
        assert_eq!(matched(&directory, "LEARNER_PROGRESS"), (vec![], vec![]));
        registry
            .call()
            .delete_account(DeleteAccountRequest {
                id: ACCOUNT,
                revision: 0,
            })
            .await
            .unwrap();
        until(&directory, |directory| directory.account(account()).is_none()).await;
        tasks.shutdown().begin();
    }

    #[tokio::test]
    async fn while_the_registry_is_away_the_view_stays_and_then_goes_on() {
        let mut registry = Registry::start().await;
        let before = registry.create(&["CI_STATS"], true).await;
        let tasks = Tasks::new(Shutdown::new());
        let directory = registry.follow(Keep::Interests, &tasks).await;
        registry.stop().await;
        assert_eq!(matched(&directory, "CI_STATS"), (vec![id(&before)], vec![]));
        assert!(directory.is_ready());

        registry.come_back().await;
        let after = registry.create(&["CI_STATS"], true).await;
        let both = (vec![id(&before), id(&after)], vec![]);
        until(&directory, |directory| matched(directory, "CI_STATS") == both).await;
        tasks.shutdown().begin();
    }

    #[tokio::test]
    async fn w2_a_follower_has_secrets_only_if_it_asks_for_them() {
        let registry = Registry::start().await;
        let plain = registry.create(&["*"], true).await;
        let signature = v1::Authentication {
            method: Some(Method::Signature(Signature::default())),
        };
        let signed = registry
            .create_as(Webhook {
                authentication: Some(signature),
                ..plain
            })
            .await;
        let tasks = Tasks::new(Shutdown::new());
        let secret = |directory: &Directory| match &directory.webhook(id(&signed)).unwrap().authentication {
            Authentication::Signature(signing) => {
                signing.secret.as_ref().map(|secret| secret.expose().to_owned())
            }
            other => panic!("it signs: {other:?}"),
        };
        let with = registry.follow(Keep::Everything, &tasks).await;
        assert!(secret(&with).unwrap().starts_with("whsec_"));
        let told = secret(&with).unwrap();
        for keep in [Keep::Interests, Keep::Nothing] {
            let without = registry.follow(keep, &tasks).await;
            assert_eq!(without.webhook(id(&signed)), None);
            assert_eq!(without.interest(id(&signed)).is_some(), keep == Keep::Interests);
            assert_eq!(without.account(account()).unwrap().name, "Acme");
            assert!(!format!("{without:?}").contains(&told));
        }
        tasks.shutdown().begin();
    }
}
