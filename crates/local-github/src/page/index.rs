//! All repositories, and making one.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::server::Server;
use crate::state::Repository;
use local_kit::page::{Page, show};

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h1>GitHub <small>on this machine</small></h1>
<table>{% for repository in repositories %}<tr><td><a href="/{{ repository.full_name() }}">{{ repository.full_name() }}</a></td><td class="dim">pushed {{ repository.pushed_at }}</td></tr>
{% else %}<tr><td class="dim">no repositories yet</td></tr>{% endfor %}</table>
<form method="post" action="/local/repositories"><p><input name="owner" required value="{{ owner }}" aria-label="owner" maxlength="39"> / <input name="name" required placeholder="name" aria-label="name" maxlength="100"> <button>New repository</button></p></form>
<p><a href="/local/faults">Faults</a> <span class="dim">let things go wrong</span></p>
<p class="dim">Programs find the REST API at this address, and below <code>/api/v3</code>.</p>"#
)]
struct IndexPage {
    owner: String,
    repositories: Vec<Repository>,
}

impl Page for IndexPage {
    fn title(&self) -> String {
        "local GitHub".to_owned()
    }
}

/// `GET /` of a browser
pub async fn list_repositories(State(server): State<Arc<Server>>) -> Response {
    let repositories = server.store.read(|world| world.repositories.clone());
    let owner = server.tokens.first().map(|token| token.login.clone());
    let page = IndexPage {
        owner: owner.unwrap_or_default(),
        repositories,
    };
    show(&page)
}

/// What the page sends to have a repository made.
#[derive(Debug, Deserialize)]
pub struct Wish {
    owner: String,
    name: String,
}

/// `POST /local/repositories`: an empty one, or the one that is there.
pub async fn make_repository(
    State(server): State<Arc<Server>>,
    wish: Result<Form<Wish>, FormRejection>,
) -> Response {
    let made = match &wish {
        Ok(Form(wish)) => server
            .create_repository(wish.owner.trim(), wish.name.trim(), "main")
            .await
            .map(|_| format!("/{}/{}", wish.owner.trim(), wish.name.trim())),
        Err(error) => Err(anyhow::anyhow!("{error}")),
    };
    match made {
        Ok(page) => Redirect::to(&page).into_response(),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, format!("{error:#}\n")).into_response(),
    }
}
