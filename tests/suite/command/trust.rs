//! A cloned repository is not trusted: whatever its `dploy.app` leads to gets no credential before somebody says so.

use serde_json::{Value, json};

use crate::support::proxies::{Gate, Trap};
use crate::support::shell::{Shell, mode, set_mode, shell_service};
use crate::support::town::{Town, quick};
use test_kit::marathon::Marathon;

const USER: &str = "sentinel-user-1f0a";
const PASSWORD: &str = "sentinel-password-9b3c";
const JWT: &str = "sentinel-jwt-77d2";
const PAT: &str = "sentinel-pat-5e81";
const OPERATOR: &str = "sentinel-operator-token-c4d4";

/// Every command, as somebody might type it first in a clone.
const COMMANDS: [&[&str]; 17] = [
    &["dryrun"],
    &["run"],
    &["run", "-direct"],
    &["ls"],
    &["ps"],
    &["scale", "-pid", "hello", "-instances", "2"],
    &["destroy", "-yes"],
    &["history"],
    &["rollback", "-y", "#1"],
    &["deploy"],
    &["cancel"],
    &["why", "HEAD"],
    &["lock", "-m", "why not"],
    &["unlock"],
    &["resume"],
    &["status"],
    &["doctor"],
];

/// A clone of somebody's repository that leads to these two.
fn clone_of(marathon: &Trap, github: &Trap) -> Shell {
    let shell = Shell::new();
    shell.write(
        "dploy.app",
        &format!(
            "app_name: hello\nmarathon_url: {}\nrepo_url: {}/evil/hello\npublic_node: 127.0.0.1\n",
            marathon.url(),
            github.url()
        ),
    );
    shell.spec("hello", &shell_service("/hello/hello", 1));
    shell
}

/// Nobody who came by showed anything that is ours.
fn nothing_was_given_away(trap: &Trap, after: &str) {
    let basic = base64::Engine::encode(
        &base64::prelude::BASE64_STANDARD,
        format!("{USER}:{PASSWORD}"),
    );
    for seen in trap.seen() {
        let all = format!(
            "{} {} {:?} {}",
            seen.method,
            seen.path,
            seen.headers,
            String::from_utf8_lossy(&seen.body)
        );
        for secret in ["authorization", USER, PASSWORD, JWT, PAT, OPERATOR, &basic] {
            assert!(
                !all.to_lowercase().contains(&secret.to_lowercase()),
                "dploy {after} showed {secret}: {all}"
            );
        }
    }
}

/// Runs every command and looks at what the traps saw; `asks_marathon` is whether Marathon is asked without credentials.
async fn walk(shell: &Shell, marathon: &Trap, github: &Trap) {
    for command in COMMANDS {
        let (code, out, err) = shell.run(command).await;
        let typed = command.join(" ");
        nothing_was_given_away(marathon, &typed);
        nothing_was_given_away(github, &typed);
        if command == ["ls"] {
            assert_eq!((code, err.contains("nobody")), (0, false), "{err}");
            continue;
        }
        assert_eq!(code, 1, "{typed}: {out}{err}");
        // a doctor answers with what he found
        let said = if command == ["doctor"] { out } else { err };
        let host = marathon.url();
        assert!(
            said.contains(&host) || said.contains(&github.url()),
            "{typed} does not name {host}: {said}"
        );
        let way = ["-marathon-url", "-github-api", "marathon_url"];
        assert!(
            way.iter().any(|w| said.contains(w)),
            "{typed} names no way out: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloned_descriptor_gets_no_password_of_marathon() {
    let (marathon, github) = (Trap::new(), Trap::new());
    let shell = clone_of(&marathon, &github)
        .env("DPLOY_MARATHON_USER", USER)
        .env("DPLOY_MARATHON_PASSWORD", PASSWORD);
    walk(&shell, &marathon, &github).await;
    assert!(marathon.seen().is_empty(), "nothing was asked at all");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloned_descriptor_gets_no_login_where_it_names_a_path() {
    let (marathon, github) = (Trap::new(), Trap::new());
    let shell = clone_of(&marathon, &github)
        .env("DPLOY_MARATHON_USER", USER)
        .env("DPLOY_MARATHON_PASSWORD", PASSWORD);
    let descriptor = format!(
        "app_name: hello\nmarathon_url: {}/service/marathon\n",
        marathon.url()
    );
    shell.write("dploy.app", &descriptor);
    walk(&shell, &marathon, &github).await;
    assert!(marathon.seen().is_empty(), "a login sends the password");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloned_descriptor_gets_no_token_of_marathon() {
    let (marathon, github) = (Trap::new(), Trap::new());
    let shell = clone_of(&marathon, &github).env("DPLOY_MARATHON_TOKEN", JWT);
    walk(&shell, &marathon, &github).await;
    assert!(marathon.seen().is_empty(), "nothing was asked at all");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloned_descriptor_gets_no_token_of_github_and_no_operator_token() {
    let (marathon, github) = (Trap::new(), Trap::new());
    let shell = clone_of(&marathon, &github);
    shell.write(".pat", &format!("{PAT}\n"));
    shell.write(".dploy-token", &format!("{OPERATOR}\n"));
    walk(&shell, &marathon, &github).await;
    assert!(
        github.seen().is_empty(),
        "with a token GitHub is not asked at all"
    );
    // whoever asks needs no confirmation for what is no secret
    assert!(!marathon.seen().is_empty());
}

/// A Marathon that has nothing but an observer, at this very place, and an observer that answers everything.
fn marathon_with_an_observer(path: &str, own: &str) -> Option<Value> {
    let (host, port) = own.rsplit_once(':').unwrap();
    let port: u16 = port.parse().unwrap();
    let task = json!({"id": "dploy-observer.instance-1._app.1", "appId": "/dploy-observer", "host": host, "ports": [port],
        "state": "TASK_RUNNING", "version": "2026-01-01T00:00:00.000Z", "healthCheckResults": []});
    let app = json!({"id": "/dploy-observer", "instances": 1, "version": "2026-01-01T00:00:00.000Z",
        "labels": {"DPLOY_OBSERVER": "true"}, "tasks": [task], "deployments": []});
    let service = json!({"id": "/hello/hello", "instances": 1, "version": "2026-01-01T00:00:00.000Z",
        "labels": {"DPLOY": "hello"}, "tasks": [], "deployments": []});
    let login = json!({"code": "login", "detail": "log in first"});
    match path {
        "/v2/apps?label=DPLOY_OBSERVER%3D%3Dtrue" => Some(json!({"apps": [app]})),
        "/v2/apps/dploy-observer" => Some(json!({"app": app})),
        "/v2/apps/hello/hello" => Some(json!({"app": service})),
        "/v2/info" => Some(json!({"name": "marathon", "version": "1.8.194"})),
        "/v2/deployments" => Some(json!([])),
        "/v2/queue" => Some(json!({"queue": []})),
        "/healthz" => Some(json!("ok")),
        p if p.starts_with("/v2/apps?label=") => Some(json!({"apps": [service]})),
        p if p.starts_with("/apps") || p.starts_with("/why") => Some(login),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_that_a_foreign_marathon_names_gets_no_operator_token() {
    for by_variable in [false, true] {
        let marathon = Trap::answering(marathon_with_an_observer);
        let github = Trap::new();
        // what it lists never goes, however often it is deleted
        let mut shell = clone_of(&marathon, &github).env("DPLOY_TIMEOUT", "1");
        if by_variable {
            shell = shell.env("DPLOY_OBSERVER_TOKEN", OPERATOR);
        } else {
            shell.write(".dploy-token", &format!("{OPERATOR}\n"));
        }
        for command in COMMANDS {
            let (code, out, err) = shell.run(command).await;
            nothing_was_given_away(&marathon, &command.join(" "));
            nothing_was_given_away(&github, &command.join(" "));
            assert!(
                code != 0 || command == ["ls"] || command == ["dryrun"] || command == ["ps"],
                "{command:?}: {out}{err}"
            );
        }
        let healthz = marathon
            .seen()
            .iter()
            .filter(|s| s.path == "/healthz")
            .count();
        assert!(healthz > 10, "the observer was found: {healthz}");
        for command in [
            &["lock", "-m", "x"][..],
            &["rollback", "-y", "#1"],
            &["unlock"],
        ] {
            let (code, _, err) = shell.run(command).await;
            assert_eq!(code, 1);
            assert!(
                err.contains(&marathon.url()) && err.contains("-observer or DPLOY_OBSERVER_URL"),
                "{err}"
            );
        }
    }
}

/// A workspace whose descriptor names `marathon`, with credentials for it in the environment.
fn workspace(marathon: &str) -> Shell {
    let shell = Shell::new()
        .env("DPLOY_MARATHON_USER", USER)
        .env("DPLOY_MARATHON_PASSWORD", PASSWORD);
    let descriptor = format!("app_name: hello\nmarathon_url: {marathon}\n");
    shell.write("dploy.app", &descriptor);
    shell.spec("hello", &shell_service("/hello/hello", 1));
    shell
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_in_a_terminal_decides_and_a_yes_is_remembered() {
    let marathon = Marathon::start().await;
    let gate = Gate::basic(&marathon.url(), USER, PASSWORD);
    let shell = workspace(&gate.url());
    for no in ["n\n", "\n", "nonsense\n", "\u{4}"] {
        let (code, said) = shell.typed(&["ps"], no, 200).await;
        assert_eq!(code, 1, "{said}");
        for word in [
            &gate.url(),
            "[y/N]",
            "plain HTTP",
            "nothing was sent",
            "-marathon-url",
        ] {
            assert!(said.contains(word), "no {word:?}: {said}");
        }
        assert!(!shell.hosts_file().exists(), "a no is not remembered");
    }
    assert_eq!(
        gate.refused() + gate.asked("/v2/deployments"),
        0,
        "nothing was sent"
    );
    let (code, said) = shell.typed(&["ps"], "y\n", 200).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("Nothing of hello runs"), "{said}");
    assert_eq!(mode(&shell.hosts_file()), 0o600);
    let kept = std::fs::read_to_string(shell.hosts_file()).unwrap();
    let port = gate.url().rsplit(':').next().unwrap().to_owned();
    assert_eq!(kept, format!("marathon-login http://127.0.0.1:{port}\n"));
    let (code, said) = shell.typed(&["ps"], "", 200).await;
    assert_eq!((code, said.contains("[y/N]")), (0, false), "{said}");
    let (code, _, err) = shell.run(&["ps"]).await;
    assert_eq!(code, 0, "where nobody can be asked it counts too: {err}");
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_or_scheme_is_asked_for_again() {
    let marathon = Marathon::start().await;
    let gate = Gate::basic(&marathon.url(), USER, PASSWORD);
    let shell = workspace(&gate.url());
    let (code, said) = shell.typed(&["ps"], "y\n", 200).await;
    assert_eq!(code, 0, "{said}");
    let port = gate.url().rsplit(':').next().unwrap().to_owned();
    let same = format!("app_name: hello\nmarathon_url: http://localhost:{port}\n");
    shell.write("dploy.app", &same);
    let (code, said) = shell.typed(&["ps"], "n\n", 200).await;
    assert_eq!((code, said.contains("[y/N]")), (0, false), "{said}");
    for other in [
        format!("https://127.0.0.1:{port}"),
        format!("http://127.0.0.1.nip.example:{port}"),
        format!("http://[::1]:{port}"),
    ] {
        let descriptor = format!("app_name: hello\nmarathon_url: \"{other}\"\n");
        shell.write("dploy.app", &descriptor);
        let (code, said) = shell.typed(&["ps"], "n\n", 200).await;
        assert_eq!((code, said.contains("[y/N]")), (1, true), "{other}: {said}");
    }
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marathon_that_a_flag_or_the_environment_names_is_not_asked_about() {
    let marathon = Marathon::start().await;
    let gate = Gate::basic(&marathon.url(), USER, PASSWORD);
    let trap = Trap::new();
    let shell = workspace(&trap.url());
    let url = gate.url();
    for arguments in [
        &["ps", "-marathon-url", &url][..],
        &["-marathon-url", &url, "ps"],
    ] {
        let (code, said) = shell.typed(arguments, "", 200).await;
        assert_eq!((code, said.contains("[y/N]")), (0, false), "{said}");
        shell.ok(arguments).await;
    }
    let shell = shell.env("DPLOY_MARATHON_URL", &url);
    shell.ok(&["ps"]).await;
    assert!(!shell.hosts_file().exists());
    assert!(
        trap.seen().is_empty(),
        "what the descriptor names is not asked"
    );
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_that_was_named_by_hand_gets_the_operator_token() {
    let observer = Trap::answering(marathon_with_an_observer);
    let elsewhere = Trap::new();
    let shell = clone_of(&elsewhere, &elsewhere);
    shell.write(".dploy-token", &format!("{OPERATOR}\n"));
    let (_, _, err) = shell
        .run(&["lock", "-m", "x", "-observer", &observer.url()])
        .await;
    let bearer = format!("Bearer {OPERATOR}");
    let shown = observer
        .seen()
        .iter()
        .any(|s| s.headers.get("authorization").is_some_and(|h| h == &bearer));
    assert!(shown, "{err}");
    assert!(elsewhere.seen().is_empty());
}

/// What a local world writes down for `dploy`.
fn local_world(marathon: &str, observer: &str, github: &str) -> String {
    json!({"observer": {"url": observer, "token": OPERATOR}, "marathon": {"url": marathon}, "github": {"url": github, "token": PAT}})
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_json_that_a_repository_brings_along_is_not_believed() {
    let (named, led) = (Trap::new(), Trap::new());
    // an address of loopback is no proof: what tells is that nobody else can have written the file
    let ours = local_world(&led.url(), &led.url(), &led.url());
    let foreign = local_world(&led.url(), "http://observer.example:8849", &led.url());
    let userinfo = local_world(&led.url(), "http://127.0.0.1@observer.example", &led.url());
    for (text, bits) in [
        (&ours, 0o644),
        (&ours, 0o640),
        (&ours, 0o604),
        (&foreign, 0o600),
        (&userinfo, 0o600),
    ] {
        let shell = workspace(&named.url());
        shell.write("local.json", text);
        set_mode(&shell.dir.join("local.json"), bits);
        let (code, _, err) = shell.run(&["ps"]).await;
        assert_eq!(code, 1, "{bits:o}: {err}");
        assert!(err.contains("nobody confirmed"), "{bits:o}: {err}");
    }
    // not a link either: git can bring one along
    let shell = workspace(&named.url());
    let target = shell.home.path().join("elsewhere.json");
    std::fs::write(&target, &ours).unwrap();
    set_mode(&target, 0o600);
    std::os::unix::fs::symlink(&target, shell.dir.join("local.json")).unwrap();
    let (code, _, err) = shell.run(&["ps"]).await;
    assert_eq!((code, err.contains("nobody confirmed")), (1, true), "{err}");
    assert!(named.seen().is_empty() && led.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_json_of_ones_own_is_believed_from_the_folders_below_it() {
    let marathon = Marathon::start().await;
    let shell = Shell::new();
    let file = shell.home.path().join("local.json");
    let observer = Trap::answering(marathon_with_an_observer);
    std::fs::write(
        &file,
        local_world(&marathon.url(), &observer.url(), &observer.url()),
    )
    .unwrap();
    set_mode(&file, 0o600);
    shell.write("dploy.app", "app_name: hello\n");
    shell.spec("hello", &shell_service("/hello/hello", 1));
    shell.ok(&["ps"]).await;
    let (_, _, err) = shell.run(&["lock", "-m", "x"]).await;
    let bearer = format!("Bearer {OPERATOR}");
    let shown = observer
        .seen()
        .iter()
        .any(|s| s.headers.get("authorization").is_some_and(|h| h == &bearer));
    assert!(shown, "{err}");
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_stand_in_no_help_and_no_error() {
    let shell = Shell::new()
        .env("DPLOY_MARATHON_USER", USER)
        .env("DPLOY_MARATHON_PASSWORD", PASSWORD)
        .env("DPLOY_OBSERVER_TOKEN", OPERATOR)
        .env("DPLOY_OBSERVER_GITHUB_PAT", PAT);
    shell.write(
        "dploy.app",
        "app_name: hello\nmarathon_url: http://127.0.0.1:9\n",
    );
    shell.spec("hello", &shell_service("/hello/hello", 1));
    let commands: [&[&str]; 6] = [
        &["-h"],
        &["run", "-help"],
        &["ps"],
        &["status", "-nonsense"],
        &["completions", "bash"],
        &["doctor", "-json"],
    ];
    for command in commands {
        let (_, out, err) = shell.run(command).await;
        for secret in [USER, PASSWORD, OPERATOR, PAT] {
            assert!(
                !out.contains(secret) && !err.contains(secret),
                "{command:?}: {out}{err}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marathon_that_nobody_confirmed_gets_no_github_token_with_the_observer() {
    let town = Town::unobserved(&[("web", shell_service("/shop/web", 1))], &[], quick()).await;
    let shell = Shell::new();
    let descriptor = format!(
        "app_name: shop\nmarathon_url: {}\nrepo_url: {}/acme/shop\npublic_node: 127.0.0.1\n",
        town.marathon_url,
        town.github.url()
    );
    shell.write("dploy.app", &descriptor);
    shell.spec("web", &shell_service("/shop/web", 1));
    shell.write(".pat", crate::support::town::PAT);
    let (code, _, err) = shell
        .run(&["run", "-settle=0", "-github-api", town.github.url()])
        .await;
    assert_eq!(code, 1, "{err}");
    for word in ["your GitHub token", "nothing was sent", &town.marathon_url] {
        assert!(err.contains(word), "no {word:?}: {err}");
    }
    let apps = town.marathon("/v2/apps").await.to_string();
    assert!(apps.contains("/shop/web"), "the app itself runs: {apps}");
    assert!(!apps.contains("dploy-observer") && !apps.contains(crate::support::town::PAT));
    assert!(!shell.dir.join(".dploy-token").exists());
    town.github.stop().await;
    town.marathon.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_token_that_came_with_the_repository_is_not_taken() {
    let observer = Trap::answering(marathon_with_an_observer);
    let shell = clone_of(&observer, &observer);
    shell.write(".dploy-token", &format!("{OPERATOR}\n"));
    let commands: [&[&str]; 2] = [&["init", "-q"], &["add", ".dploy-token"]];
    for command in commands {
        let git = shell.command("git").args(command).status().await;
        assert!(git.unwrap().success());
    }
    let lock = ["lock", "-m", "x", "-observer", &observer.url()];
    let (code, _, err) = shell.run(&lock).await;
    assert_eq!(code, 1);
    assert!(err.contains(".dploy-token is in the repository"), "{err}");
    nothing_was_given_away(&observer, "lock");
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_a_repository_confirms_itself_are_not_believed() {
    let marathon = Trap::new();
    let shell = workspace(&marathon.url()).env("XDG_CONFIG_HOME", "config");
    shell.write(
        "config/dploy/hosts",
        &format!("marathon-login {}\n", marathon.url()),
    );
    let (code, _, err) = shell.run(&["ps"]).await;
    assert_eq!((code, err.contains("nobody confirmed")), (1, true), "{err}");
    assert!(marathon.seen().is_empty());
}
