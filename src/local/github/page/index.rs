//! All repositories.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::answer;
use crate::local::github::hub::Hub;
use crate::local::github::state::Repository;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>local GitHub</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{{ self::super::STYLE|safe }}</style></head><body>
<h1>GitHub <small>on this machine</small></h1>
<table>{% for repository in repositories %}<tr><td><a href="/{{ repository.full_name() }}">{{ repository.full_name() }}</a></td><td class="dim">pushed {{ repository.pushed_at }}</td></tr>
{% else %}<tr><td class="dim">no repositories yet</td></tr>{% endfor %}</table>
<p class="dim">Programs find the REST API at this address, and below <code>/api/v3</code>.</p>
</body></html>
"#
)]
struct IndexPage {
    repositories: Vec<Repository>,
}

/// `GET /` of a browser
pub async fn list_repositories(State(hub): State<Arc<Hub>>) -> Response {
    let repositories = hub.store.read(|world| world.repositories.clone());
    let page = IndexPage { repositories };
    answer(page.render().map_err(anyhow::Error::from))
}
