//! Tokens of the observer: whom it knows.

use std::process::ExitCode;

use jiff::tz::TimeZone;

use super::args::{TokenAdd, TokenCommand};
use super::session::Session;
use crate::api::{NewTokenBody, TokenBody};
use crate::client::Client;
use crate::clock::{self, stamp, typed_moment};

pub(super) async fn run(session: &Session, command: &TokenCommand) -> anyhow::Result<ExitCode> {
    let (_, observer) = session.observed().await?;
    let client = session.operator(&observer)?;
    match command {
        TokenCommand::Add(args) => add(session, &client, args).await?,
        TokenCommand::List => list(session, &client).await?,
        TokenCommand::Remove { name } => {
            client.revoke_token(name).await?;
            if session.terminal.json {
                let done = serde_json::json!({"result": "done"});
                session.terminal.data(&done)?;
            } else {
                session.terminal.say(format!(
                    "{name} is out, with every session, at {}",
                    client.base()
                ));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(session: &Session, client: &Client, args: &TokenAdd) -> anyhow::Result<()> {
    let terminal = session.terminal;
    let end = |text: &String| {
        typed_moment(text, clock::system().now(), &TimeZone::system())
            .map_err(|why| anyhow::anyhow!("-expires: {why}"))
    };
    let expires = args.expires.as_ref().map(end).transpose()?;
    let body = NewTokenBody {
        name: args.name.clone(),
        role: args.role,
        apps: args.apps.clone().map(|apps| apps.into_iter().collect()),
        expires: expires.map(stamp),
    };
    let made = client.make_token(&body).await?;
    if terminal.json {
        return terminal.data(&made);
    }
    let about = &made.about;
    let end = about.expires.as_ref();
    let end = end.map_or_else(String::new, |end| format!(", until {end}"));
    terminal.note(format!(
        "{} of {} at {}{end}; it is shown this once, and `dploy token remove {}` takes it back:",
        about.role,
        apps(about),
        client.base(),
        about.name
    ));
    terminal.say(&made.token);
    Ok(())
}

fn apps(token: &TokenBody) -> String {
    let Some(apps) = &token.apps else {
        return "all apps".to_owned();
    };
    let names: Vec<&str> = apps.iter().map(crate::id::AppId::as_str).collect();
    names.join(", ")
}

async fn list(session: &Session, client: &Client) -> anyhow::Result<()> {
    let body = client.tokens().await?;
    if session.terminal.json {
        return session.terminal.data(&body);
    }
    let row = |token: &TokenBody| {
        let end = match &token.expires {
            None => "never".to_owned(),
            Some(end) if token.over => format!("over since {end}"),
            Some(end) => end.clone(),
        };
        let made = if token.of_settings {
            format!("{} (settings)", token.created_at)
        } else {
            token.created_at.clone()
        };
        vec![
            token.name.clone(),
            token.role.to_string(),
            made,
            end,
            apps(token),
        ]
    };
    let rows = body.tokens.iter().map(row).collect();
    let head = ["NAME", "ROLE", "MADE", "ENDS", "APPS"];
    session.terminal.table(&head, rows);
    Ok(())
}
