//! The program as a person starts it: flags, settings, exit codes, and sentences that name the way out.

use dploy_observer::settings::Settings;
use dploy_observer::store::database;

use test_kit::wait::until;

use crate::support::program::{OBSERVER, Running, alone, ended, observer, run};

const NOWHERE: &str = "http://127.0.0.1:9";

#[tokio::test(flavor = "multi_thread")]
async fn help_lists_every_setting_with_its_variable() {
    let dir = tempfile::tempdir().unwrap();
    for flag in ["-h", "--help", "-help"] {
        let (code, out, _) = run(dir.path(), &[flag]).await;
        assert_eq!(code, 0, "{flag}");
        for [name, variable, ..] in Settings::table() {
            assert!(
                out.contains(&format!("-{name} ")) && out.contains(&variable),
                "{flag} does not list {name} with {variable}: {out}"
            );
        }
        for command in ["local", "verify", "rebuild", "token"] {
            assert!(out.contains(&format!("\n  {command} ")), "{out}");
        }
    }
    let (code, out, _) = run(dir.path(), &["-V"]).await;
    assert_eq!((code, out.starts_with("observer ")), (0, true), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_on_the_command_line_is_usage() {
    let dir = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 9] = [
        (&["-ownr=x"], "-owner"),
        (&["-poll=soon"], "poll"),
        (&["-poll=-1"], "poll"),
        (&["-log-format=xml"], "text, json"),
        (&["-allow-plain-login=perhaps"], "allow-plain-login"),
        (&["-owner"], "owner"),
        (&["obsrve"], "obsrve"),
        (&["token"], "add"),
        (&["local", "-observer-port=99999"], "observer-port"),
    ];
    for (arguments, named) in cases {
        let (code, _, err) = run(dir.path(), arguments).await;
        assert_eq!(code, 2, "{arguments:?}: {err}");
        assert!(
            err.contains(named),
            "{arguments:?}: {named:?} is not in {err:?}"
        );
    }
    let mut by_variable = observer(dir.path(), &[]);
    by_variable.env("DPLOY_OBSERVER_POLL", "soon");
    let (code, _, err) = ended(by_variable.output(), "DPLOY_OBSERVER_POLL").await;
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("soon") && err.contains("poll"), "{err}");
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        0,
        "nothing was made"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_is_wrong_is_named_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("empty"), "\n").unwrap();
    let marathon = format!("-marathon-url={NOWHERE}");
    let cases: [(&[&str], &[&str]); 17] = [
        (
            &["-marathon-url", "nonsense"],
            &["DPLOY_MARATHON_URL", "http://host:port"],
        ),
        (
            &["-marathon-url", "ftp://a"],
            &["DPLOY_MARATHON_URL", "http://host:port"],
        ),
        (
            &["-marathon-url", "http://u:geheim@a"],
            &["DPLOY_MARATHON_URL", "password"],
        ),
        (
            &["-mesos-dns", "nonsense"],
            &["DPLOY_MESOS_DNS", "http://host:port"],
        ),
        (
            &[&marathon, "-public-url=here"],
            &["DPLOY_OBSERVER_PUBLIC_URL"],
        ),
        (
            &[&marathon, "-github-api=nonsense"],
            &["DPLOY_OBSERVER_GITHUB_API", "http"],
        ),
        (
            &[&marathon, "-loglevel=loud"],
            &["DPLOY_LOGLEVEL", "error, warn, info, debug, trace"],
        ),
        (
            &[&marathon, "-token=short"],
            &["DPLOY_OBSERVER_TOKEN", "16"],
        ),
        (
            &[&marathon, "-token-sha256=abc"],
            &["DPLOY_OBSERVER_TOKEN_SHA256", "64"],
        ),
        (
            &[&marathon, "-marathon-user=me"],
            &["DPLOY_MARATHON_USER", "DPLOY_MARATHON_PASSWORD"],
        ),
        (
            &[&marathon, "-marathon-password=geheim"],
            &["DPLOY_MARATHON_USER", "DPLOY_MARATHON_PASSWORD"],
        ),
        (
            &[&marathon, "-pat-file=nowhere"],
            &["nowhere", "DPLOY_OBSERVER_GITHUB_PAT_FILE"],
        ),
        (&[&marathon, "-pat-file=empty"], &["empty", "token"]),
        (
            &[&marathon, "-trusted-proxy=proxy"],
            &["DPLOY_OBSERVER_TRUSTED_PROXY", "IP"],
        ),
        // half a repository is none, and nobody would wait for it
        (
            &[&marathon, "-owner=acme"],
            &["-owner is set and -repo is not", "POST /apps"],
        ),
        (
            &[&marathon, "-repo=shop"],
            &["-repo is set and -owner is not"],
        ),
        (
            &[&marathon, "-data=/proc/nowhere"],
            &["/proc/nowhere", "DPLOY_OBSERVER_DATA"],
        ),
    ];
    for (arguments, named) in cases {
        let all = [&["-listen=127.0.0.1:0"], arguments].concat();
        let (code, out, err) = run(dir.path(), &all).await;
        assert_eq!(code, 1, "{arguments:?}: {err}");
        for name in named {
            assert!(
                err.contains(name),
                "{arguments:?}: {name:?} is not in {err:?}"
            );
        }
        let greeting = concat!(
            "This is dploy observer version ",
            env!("CARGO_PKG_VERSION"),
            "\n"
        );
        let said = out.is_empty() || out == greeting;
        assert!(!err.contains("geheim") && said, "{err} {out}");
    }
    let (code, _, err) = run(dir.path(), &["-listen=nowhere:at:all", &marathon]).await;
    assert_eq!((code, err.contains("DPLOY_OBSERVER_LISTEN")), (1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_are_read_as_go_reads_them_and_a_second_observer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = [
        "-listen",
        "127.0.0.1:0",
        "--marathon-url",
        NOWHERE,
        "-github-api=http://127.0.0.1:9",
        "-owner",
        "acme",
        "-repo=shop",
        "--branch",
        "main",
        "-data",
        "log",
    ];
    let mut first = Running::start(observer(dir.path(), &arguments), true);
    let url = first.line_with("this is dploy observer").await;
    let url = url
        .split_whitespace()
        .find_map(|w| w.strip_prefix("url="))
        .unwrap();
    let port = url.rsplit(':').next().unwrap();
    let http = test_kit::http::client();
    let health = http
        .get(format!("http://127.0.0.1:{port}/healthz"))
        .send()
        .await
        .unwrap();
    assert_eq!(health.status(), 200);
    let (code, _, err) = run(dir.path(), &arguments).await;
    assert_eq!(code, 1, "{err}");
    assert!(
        err.contains("another observer uses log") && err.contains("DPLOY_OBSERVER_DATA"),
        "{err}"
    );
    let busy = format!("127.0.0.1:{port}");
    let elsewhere = ["-data=other", "-marathon-url", NOWHERE, "-listen", &busy];
    let (code, _, err) = run(dir.path(), &elsewhere).await;
    assert_eq!(code, 1, "{err}");
    assert!(
        err.contains(&busy) && err.contains("DPLOY_OBSERVER_LISTEN"),
        "{err}"
    );
    assert!(
        !dir.path().join("other").exists(),
        "a start that fails leaves nothing"
    );
    for command in [&["verify"][..], &["rebuild"], &["token", "list"]] {
        let all = [command, &["-data=log"]].concat();
        let (code, _, err) = run(dir.path(), &all).await;
        assert_eq!(code, 1, "{command:?}: {err}");
        assert!(err.contains("another observer uses log"), "{err}");
    }
    let (code, said) = first.signal("-TERM").await;
    assert_eq!((code, said.contains("stopping")), (0, true), "{said}");
    let token = std::fs::read_to_string(dir.path().join("log/operator-token")).unwrap();
    assert!(!said.contains(token.trim()), "the token is not logged");
    let (code, out, err) = run(dir.path(), &["verify", "-data=log"]).await;
    assert_eq!(
        (code, out.contains("the chain is whole")),
        (0, true),
        "{err}"
    );
    let (code, out, _) = run(dir.path(), &["rebuild", "--data-folder", "log"]).await;
    assert_eq!((code, out.contains("made anew")), (0, true), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_token_is_in_its_file_before_it_counts() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("log/operator-token");
    std::fs::create_dir_all(&file).unwrap();
    let marathon = format!("-marathon-url={NOWHERE}");
    let arguments = ["-listen=127.0.0.1:0", &marathon, "-data=log"];
    let (code, _, err) = run(dir.path(), &arguments).await;
    assert_eq!((code, err.contains("operator-token")), (1, true), "{err}");
    std::fs::remove_dir(&file).unwrap();
    let mut started = Running::start(observer(dir.path(), &arguments), true);
    started.line_with("this is dploy observer").await;
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim().len(), 64);
    started.signal("-TERM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_not_ready_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let marathon = format!("-marathon-url={NOWHERE}");
    // a disk of its own, of 4 MiB, that only this process sees
    let mut command = alone("unshare", dir.path(), dir.path());
    command
        .args(["--mount", "--map-root-user", "sh", "-c"])
        .arg("mount -t tmpfs -o size=4m none . && cd . && exec \"$@\"")
        .args([
            "sh",
            OBSERVER,
            "-listen=127.0.0.1:0",
            &marathon,
            "-data",
            "log",
        ]);
    let mut started = Running::start(command, true);
    let said = started.line_with("this is dploy observer").await;
    let mut words = said.split_whitespace();
    let url = words.find_map(|w| w.strip_prefix("url=")).unwrap();
    let port = url.rsplit(':').next().unwrap();
    let http = test_kit::http::client();
    let ready = async |status: u16| {
        until(&format!("/readyz says {status}"), async || {
            let url = format!("http://127.0.0.1:{port}/readyz");
            let answer = http.get(url).send().await.unwrap();
            let (seen, text) = (answer.status().as_u16(), answer.text().await.unwrap());
            if seen == status { Ok(text) } else { Err(text) }
        })
        .await
    };
    ready(200).await;
    let inside = format!("/proc/{}/cwd/filler", started.id());
    let room = std::fs::write(&inside, vec![0; 5 << 20]);
    assert_eq!(room.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    let why = ready(503).await;
    assert!(
        why.contains("the log cannot be written") && why.contains("full"),
        "{why}"
    );
    std::fs::remove_file(&inside).unwrap();
    ready(200).await;
    started.signal("-TERM").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_a_log_or_with_anothers_file_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("void")).unwrap();
    for command in ["verify", "rebuild"] {
        for folder in ["missing", "void"] {
            let (code, _, err) = run(dir.path(), &[command, &format!("-data={folder}")]).await;
            assert_eq!(code, 1, "{err}");
            assert!(
                err.contains("there is no log at") && err.contains("DPLOY_OBSERVER_DATA"),
                "{err}"
            );
        }
    }
    assert!(!dir.path().join("missing").exists());
    assert_eq!(
        std::fs::read_dir(dir.path().join("void")).unwrap().count(),
        0
    );
    let theirs = dir.path().join("theirs");
    std::fs::create_dir(&theirs).unwrap();
    let file = database(&theirs);
    std::fs::write(&file, "Dear diary, this is no database. ".repeat(100)).unwrap();
    let before = std::fs::read(&file).unwrap();
    let marathon = format!("-marathon-url={NOWHERE}");
    let commands: [&[&str]; 4] = [
        &["-listen=127.0.0.1:0", &marathon],
        &["verify"],
        &["rebuild"],
        &["token", "list"],
    ];
    for command in commands {
        let all = [command, &["-data=theirs"]].concat();
        let (code, _, err) = run(dir.path(), &all).await;
        assert_eq!(code, 1, "{command:?}: {err}");
        assert!(
            err.contains("belongs to another program"),
            "{command:?}: {err}"
        );
        assert_eq!(std::fs::read(&file).unwrap(), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_made_listed_and_revoked_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let token = async |arguments: &[&str]| {
        run(
            dir.path(),
            &[&["token"], arguments, &["-data=log"]].concat(),
        )
        .await
    };
    let (code, out, err) = token(&["add", "mh"]).await;
    let made = out.trim().to_owned();
    assert_eq!((code, made.len()), (0, 64), "{err}");
    let (code, out, err) = token(&["add", "mh"]).await;
    assert_eq!((code, out.as_str()), (1, ""), "the first one still counts");
    assert!(
        err.contains("mh") && err.contains("token remove mh"),
        "{err}"
    );
    let (code, out, _) = token(&["list"]).await;
    assert_eq!((code, out.lines().count()), (0, 1), "{out}");
    assert!(out.starts_with("mh ") && !out.contains(&made), "{out}");
    for name in ["", "two words", "../x", &"n".repeat(41)] {
        let (code, _, err) = token(&["add", name]).await;
        assert_eq!((code, err.contains("no name")), (1, true), "{name}: {err}");
    }
    let (code, _, err) = token(&["remove", "nobody"]).await;
    assert_eq!((code, err.contains("token list")), (1, true), "{err}");
    let (code, ..) = token(&["remove", "mh"]).await;
    assert_eq!(code, 0);
    let (code, out, _) = token(&["list"]).await;
    assert_eq!((code, out.as_str()), (0, ""));
}
