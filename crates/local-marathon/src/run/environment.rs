//! What a task finds in its environment, and its health checks too.

use std::path::Path;

use serde_json::Value;

use crate::definition::app::App;
use crate::stamp;
use crate::world::Launch;

/// The environment of a task: what Marathon and Mesos give, and of ours only `PATH`, `HOME`, `LANG` and `USER`.
pub fn environment(launch: &Launch, sandbox: &Path, tools: Option<&Path>) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> = Vec::new();
    let mut put = |key: String, value: String| env.push((key, value));
    for key in ["HOME", "LANG", "USER"] {
        if let Ok(value) = std::env::var(key) {
            put(key.to_owned(), value);
        }
    }
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    put(
        "PATH".to_owned(),
        tools.map_or(path.clone(), |tools| format!("{}:{path}", tools.display())),
    );
    let app = &launch.app;
    for (key, value) in app
        .body
        .get("env")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        put(key.clone(), value.as_str().unwrap_or_default().to_owned());
    }
    for (key, value) in ports(launch).into_iter().chain(marathon(app)) {
        put(key, value);
    }
    put("HOST".to_owned(), launch.host.to_owned());
    put("MESOS_TASK_ID".to_owned(), launch.task.clone());
    put("MESOS_SANDBOX".to_owned(), sandbox.display().to_string());
    put("MESOS_DIRECTORY".to_owned(), sandbox.display().to_string());
    // a name with `=` or a NUL cannot be passed on
    env.retain(|(key, value)| {
        !key.is_empty() && !key.contains(['=', '\0']) && !value.contains('\0')
    });
    env
}

fn ports(launch: &Launch) -> Vec<(String, String)> {
    let mut env = Vec::new();
    let texts: Vec<String> = launch.ports.iter().map(ToString::to_string).collect();
    if let Some(first) = texts.first() {
        env.push(("PORT".to_owned(), first.clone()));
        env.push(("PORTS".to_owned(), texts.join(",")));
    }
    for (index, (port, (service, name))) in texts.iter().zip(launch.app.service_ports()).enumerate()
    {
        env.push((format!("PORT{index}"), port.clone()));
        env.push((format!("PORT_{service}"), port.clone()));
        if let Some(name) = name {
            env.push((format!("PORT_{}", name.to_uppercase()), port.clone()));
        }
    }
    env
}

fn marathon(app: &App) -> Vec<(String, String)> {
    let mut env = vec![
        ("MARATHON_APP_ID".to_owned(), app.id.to_string()),
        ("MARATHON_APP_VERSION".to_owned(), stamp::text(app.version)),
        (
            "MARATHON_APP_RESOURCE_GPUS".to_owned(),
            app.number("gpus").to_string(),
        ),
    ];
    for key in ["cpus", "mem", "disk"] {
        env.push((
            format!("MARATHON_APP_RESOURCE_{}", key.to_uppercase()),
            format!("{:?}", app.number(key)),
        ));
    }
    let mut names = Vec::new();
    for (key, value) in app
        .body
        .get("labels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        };
        let name: String = key.chars().map(plain).collect();
        env.push((
            format!("MARATHON_APP_LABEL_{name}"),
            value.as_str().unwrap_or_default().to_owned(),
        ));
        names.push(name);
    }
    env.push(("MARATHON_APP_LABELS".to_owned(), names.join(" ")));
    env
}
