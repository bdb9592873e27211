//! How we show who we are. A token of DC/OS is fetched at the first call, shared by all clones of a client, and
//! fetched anew when it is not taken any more (DC/OS docs, "Authentication HTTP API Endpoint").

use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder, Url, header};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::error::MarathonError;
use crate::clock::SharedClock;
use crate::secret::{Redactor, Secret};
use crate::transport::Way;

/// Where DC/OS gives out tokens, below the origin of the cluster.
const LOGIN: &str = "/acs/api/v1/auth/login";

/// How long a wrong password is not tried again: every refusal may count towards a lock of the account.
const AFTER_REFUSAL: Duration = Duration::from_secs(30);

/// How long a login that failed otherwise counts for the calls that waited for it.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// The longest that a login may take.
const LONGEST: Duration = Duration::from_secs(10);

/// How we show who we are.
#[derive(Debug, Clone, Default)]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// HTTP basic authentication (`--http_credentials`).
    Basic {
        /// The user.
        user: String,
        /// Its password.
        password: Secret,
    },
    /// DC/OS: `Authorization: token=…`.
    Token(Secret),
    /// DC/OS: such a token, fetched with user and password from the origin of Marathon's address.
    Login {
        /// The user.
        user: String,
        /// Its password.
        password: Secret,
    },
}

impl Credentials {
    /// What the settings give for the Marathon at `base`; an empty text counts as not given. User and password are for
    /// basic authentication, or for a login to DC/OS where the address has a path, as `https://cluster/service/marathon`.
    ///
    /// # Errors
    /// When they do not go together, or `base` is no address.
    pub fn given(
        base: &str,
        user: Option<&str>,
        password: Option<&Secret>,
        token: Option<&Secret>,
    ) -> anyhow::Result<Self> {
        let user = user.filter(|u| !u.is_empty()).map(str::to_owned);
        let some = |value: Option<&Secret>| value.filter(|v| !v.is_empty()).cloned();
        Ok(match (user, some(password), some(token)) {
            (None, None, None) => Self::None,
            (None, None, Some(token)) => Self::Token(token),
            (Some(user), Some(password), None) => {
                if address(base)?.path() == "/" {
                    Self::Basic { user, password }
                } else {
                    Self::Login { user, password }
                }
            }
            (_, _, Some(_)) => {
                bail!("DPLOY_MARATHON_TOKEN and DPLOY_MARATHON_USER exclude each other")
            }
            _ => bail!("DPLOY_MARATHON_USER and DPLOY_MARATHON_PASSWORD go together"),
        })
    }
}

fn address(base: &str) -> anyhow::Result<Url> {
    Url::parse(base).with_context(|| format!("{base:?} is no address"))
}

/// What is sent with one request, and the number of the login it is from.
#[derive(Clone)]
pub(super) struct Pass {
    header: Option<HeaderValue>,
    login: u64,
}

impl Pass {
    pub(super) fn on(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.header {
            Some(header) => request.header(header::AUTHORIZATION, header.clone()),
            None => request,
        }
    }
}

/// The credentials in use.
pub(super) struct Access {
    /// What is sent where nothing is fetched.
    fixed: Option<HeaderValue>,
    login: Option<Login>,
    redactor: Redactor,
    clock: SharedClock,
}

struct Login {
    origin: String,
    body: Value,
    session: Mutex<Session>,
}

#[derive(Default)]
struct Session {
    token: Option<HeaderValue>,
    /// How many tokens there were.
    number: u64,
    /// A login that failed, and until when it counts.
    failed: Option<(Duration, MarathonError)>,
}

impl Access {
    pub(super) fn new(
        base: &str,
        credentials: Credentials,
        clock: SharedClock,
    ) -> anyhow::Result<Self> {
        let redactor = Redactor::default();
        let (mut fixed, mut login) = (None, None);
        match credentials {
            Credentials::None => {}
            Credentials::Basic { user, password } => {
                let pair = BASE64_STANDARD.encode(format!("{user}:{}", password.expose()));
                redactor.learn(password.expose());
                redactor.learn(&pair);
                fixed = Some(
                    hidden(&format!("Basic {pair}")).context("user and password cannot be sent")?,
                );
            }
            Credentials::Token(token) => {
                redactor.learn(token.expose());
                fixed = Some(
                    hidden(&format!("token={}", token.expose()))
                        .context("DPLOY_MARATHON_TOKEN has characters that no token has")?,
                );
            }
            Credentials::Login { user, password } => {
                redactor.learn(password.expose());
                login = Some(Login {
                    origin: address(base)?.origin().ascii_serialization(),
                    body: json!({"uid": user, "password": password.expose()}),
                    session: Mutex::default(),
                });
            }
        }
        Ok(Self {
            fixed,
            login,
            redactor,
            clock,
        })
    }

    /// Whether another pass can be had when one is not taken.
    pub(super) fn renews(&self) -> bool {
        self.login.is_some()
    }

    /// What goes along with a request: never what `stale` was, where that can be renewed. Whoever asks while a login is
    /// under way waits for it and gets what it got.
    pub(super) async fn pass(
        &self,
        way: &Way,
        stale: Option<&Pass>,
    ) -> Result<Pass, MarathonError> {
        let Some(login) = &self.login else {
            return Ok(Pass {
                header: self.fixed.clone(),
                login: 0,
            });
        };
        let mut session = login.session.lock().await;
        if stale.is_some_and(|s| s.login == session.number) {
            session.token = None;
        }
        if let Some(token) = &session.token {
            return Ok(session.pass(token));
        }
        if let Some((until, why)) = &session.failed
            && self.clock.elapsed() < *until
        {
            return Err(why.clone());
        }
        match login.fetch(way).await {
            Ok(token) => {
                self.redactor.learn(token.expose());
                session.renew(login, &token)
            }
            Err(why) => {
                let pause = match &why {
                    MarathonError::Unauthorized(_) => AFTER_REFUSAL,
                    _ => AFTER_FAILURE,
                };
                session.failed = Some((self.clock.elapsed() + pause, why.clone()));
                Err(why)
            }
        }
    }

    /// An answer that says what is wrong, without what we sent, should it repeat that.
    pub(super) fn clean(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.redactor.clean(&text)),
            Value::Array(values) => values.into_iter().map(|v| self.clean(v)).collect(),
            Value::Object(fields) => {
                let cleaned = fields.into_iter().map(|(k, v)| (k, self.clean(v)));
                Value::Object(cleaned.collect())
            }
            other => other,
        }
    }
}

impl Session {
    fn renew(&mut self, login: &Login, token: &Secret) -> Result<Pass, MarathonError> {
        let header = hidden(&format!("token={}", token.expose()))
            .ok_or_else(|| login.failed("answers with a token that no header can carry"))?;
        self.number += 1;
        self.failed = None;
        self.token = Some(header.clone());
        Ok(self.pass(&header))
    }

    fn pass(&self, token: &HeaderValue) -> Pass {
        Pass {
            header: Some(token.clone()),
            login: self.number,
        }
    }
}

impl Login {
    /// Logs in. What DC/OS says to it is not repeated: it might hold what was sent.
    async fn fetch(&self, way: &Way) -> Result<Secret, MarathonError> {
        let request = way
            .request(Method::POST, &format!("{}{LOGIN}", self.origin))
            .timeout(LONGEST)
            .json(&self.body);
        let answer = way.send(request).await;
        let answer = answer.map_err(|e| self.failed(&e.to_string()))?;
        let status = answer.status();
        if matches!(status.as_u16(), 401 | 403) {
            return Err(MarathonError::Unauthorized(format!(
                "DC/OS at {} does not take this user and password: look at DPLOY_MARATHON_USER and DPLOY_MARATHON_PASSWORD",
                self.origin
            )));
        }
        if !status.is_success() {
            return Err(self.failed(&format!("answers {status}; user and password are for DC/OS where DPLOY_MARATHON_URL has a path, and for basic authentication where it has none")));
        }
        let value: Value = answer.json().await.unwrap_or_default();
        let token = value["token"].as_str().filter(|t| !t.is_empty());
        token
            .map(Secret::new)
            .ok_or_else(|| self.failed("answers without a token"))
    }

    fn failed(&self, why: &str) -> MarathonError {
        MarathonError::Unreachable(format!(
            "the login of DC/OS at {}{LOGIN} {why}",
            self.origin
        ))
    }
}

/// A header that no log shows.
fn hidden(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(base: &str, given: [&str; 3]) -> Result<String, String> {
        let [user, password, token] = given;
        let [password, token] = [password, token].map(Secret::new);
        Credentials::given(base, Some(user), Some(&password), Some(&token))
            .map(|c| format!("{c:?}"))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn the_path_of_the_address_says_whether_it_is_a_login_to_dcos() {
        let basic = "Basic { user: \"u\", password: •••• }";
        let login = "Login { user: \"u\", password: •••• }";
        for (base, kind) in [
            ("http://leader.mesos:8080", basic),
            ("http://leader.mesos:8080/", basic),
            ("https://cluster/service/marathon", login),
            ("https://cluster/service/marathon/", login),
        ] {
            assert_eq!(given(base, ["u", "hunter2", ""]).as_deref(), Ok(kind));
        }
        assert!(given("nonsense", ["u", "hunter2", ""]).is_err());
    }

    #[test]
    fn what_does_not_go_together_is_named() {
        let of = |g| given("http://a", g);
        assert_eq!(of(["", "", ""]).as_deref(), Ok("None"));
        assert_eq!(of(["", "", "jwt"]).as_deref(), Ok("Token(••••)"));
        for half in [["u", "", ""], ["", "hunter2", ""]] {
            let why = of(half).unwrap_err();
            assert!(why.contains("DPLOY_MARATHON_PASSWORD go together"), "{why}");
        }
        for both in [["u", "hunter2", "jwt"], ["u", "", "jwt"]] {
            let why = of(both).unwrap_err();
            assert!(why.contains("exclude each other"), "{why}");
        }
    }

    #[test]
    fn what_we_sent_is_not_repeated() {
        let (user, password) = ("u".to_owned(), Secret::new("hunter22"));
        let access = Access::new(
            "http://a",
            Credentials::Basic { user, password },
            crate::clock::system(),
        )
        .unwrap();
        let said = json!({"message": "no hunter22", "details": [{"errors": ["dTpodW50ZXIyMg=="]}]});
        let cleaned = json!({"message": "no ••••", "details": [{"errors": ["••••"]}]});
        assert_eq!(access.clean(said), cleaned);
    }
}
