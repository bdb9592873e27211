//! The history of an app, searched.

use super::Web;
use super::error::Failure;
use super::html::Past;
use crate::api::DeployBody;
use crate::history::App;
use crate::id::DeployNumber;

/// So many deploys on a page.
const PAGE: usize = 50;

/// So many are looked at for one page; what is older is on the next.
const LOOKED_AT: usize = 400;

/// So many are read at once.
const READ: i64 = 200;

impl Web {
    /// The deploys that are looked for, and where the next page begins.
    pub(super) async fn past(
        &self,
        app: &App,
        before: Option<u32>,
        sought: &Past<'_>,
    ) -> Result<(Vec<DeployBody>, Option<String>), Failure> {
        let store = &self.context.store;
        let (mut found, mut seen) = (Vec::new(), 0);
        let mut before = before.map(DeployNumber);
        loop {
            let deploys = store.deploys(&app.id, before, READ).await?;
            for deploy in &deploys {
                if found.len() == PAGE || seen == LOOKED_AT {
                    return Ok((found, before.map(|b| b.0.to_string())));
                }
                seen += 1;
                before = Some(deploy.number);
                if !sought.shows(deploy.state(), deploy.wanted.cause) {
                    continue;
                }
                let mut body = DeployBody::of(&app.id, deploy, None);
                let known = sought.says(&body);
                body.message = self.message(&app.id, &deploy.wanted.commit).await;
                if known || sought.says(&body) {
                    found.push(body);
                }
            }
            if deploys.len() < usize::try_from(READ).unwrap_or_default() {
                return Ok((found, None));
            }
        }
    }
}
