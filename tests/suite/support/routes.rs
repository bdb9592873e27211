//! The routes of an observer that is no process.

use std::sync::Arc;

use dploy_observer::context::Context;
use dploy_observer::intake::{Configured, HookKeeper};
use dploy_observer::pulse::Pulse;
use dploy_observer::store::StoreError;
use dploy_observer::web::{Bodies, Patience, Proxies, Web, router};

use tokio_util::sync::CancellationToken;

/// The routes of an observer that works with this and takes any number of requests.
pub async fn routes_with(
    context: &Context,
    configured: Configured,
) -> Result<axum::Router, StoreError> {
    let url = &context.hook.url;
    Ok(router(Web {
        pulse: Pulse::new(context.clone(), CancellationToken::new()),
        hooks: HookKeeper {
            context: context.clone(),
        },
        public_url: url.strip_suffix("/dploy").unwrap_or(url).to_owned(),
        public_node: "node".to_owned(),
        settings: Arc::default(),
        made: Arc::default(),
        trial: None,
        private: Some(false),
        configured: Arc::new(configured),
        plain_login: true,
        proxies: Proxies::default(),
        self_signed: false,
        patience: Arc::new(Patience::new(0, context.clock.clone())),
        poll_seconds: 60,
        fingerprint: context.store.fingerprint_key().await?,
        bodies: Bodies::default(),
        refusals: Arc::default(),
        context: context.clone(),
    }))
}
