//! Files of sandboxes: pages, bytes, folders, and what is refused.

use std::time::{Duration, Instant};

use local_marathon::FaultChange;
use serde_json::{Value, json};
use test_kit::marathon::tasks;
use test_kit::wait::until;
use tokio::net::TcpListener;

use super::{Bench, Found, VIRTUAL};

#[tokio::test]
async fn a_log_is_read_in_pages_by_the_way_from_marathon() {
    let bench = Bench::start().await;
    let cmd = "seq 1 30000; echo oops >&2; exec sleep 1000";
    let found = bench.run("/shop/web", cmd).await;
    let wanted: Vec<String> = (1..=30000).map(|n| format!("{n}\n")).collect();
    let wanted = wanted.concat();
    let size = wanted.len() as u64;
    bench.until_size(&found, "stdout", size).await;
    bench.until_size(&found, "stderr", 5).await;
    assert!(bench.whole(&found, "stdout").await == wanted.as_bytes());
    let page = async |query: &str| bench.get(&found.read("stdout", query)).await.page();
    let none: &[u8] = &[];
    // without an offset there is no data, whatever the length
    for query in ["", "&offset=-1", "&length=10", "&offset=-1&length=10"] {
        assert_eq!(page(query).await, (none.to_vec(), size), "{query}");
    }
    for (query, length) in [
        ("&offset=0", 65_536),
        ("&offset=0&length=-1", 65_536),
        ("&offset=0&length=1000000", 65_536),
        ("&offset=0&length=7", 7),
        ("&offset=0&length=0", 0),
    ] {
        let (data, offset) = page(query).await;
        assert_eq!((data.len(), offset), (length, 0), "{query}");
        assert!(wanted.as_bytes().starts_with(&data));
    }
    // never clipped
    for beyond in [size, 1_000_000, i64::MAX.unsigned_abs()] {
        let query = format!("&offset={beyond}");
        assert_eq!(page(&query).await, (none.to_vec(), beyond));
    }
    let slash = format!(
        "{}/files/read?path={}/stdout/&offset=0&length=3",
        found.agent, found.path
    );
    assert_eq!(bench.get(&slash).await.page().0, b"1\n2");
    bench.marathon.stop().await;
}

#[tokio::test]
async fn bytes_go_out_as_they_are() {
    let bench = Bench::start().await;
    // é, a half of it, all that is escaped, and what is not
    let cmd = r#"printf 'caf\303\251 \303 \377\000\033[1m"\\/\177\t\n'; exec sleep 1000"#;
    let found = bench.run("/soup", cmd).await;
    let soup: &[u8] = b"caf\xc3\xa9 \xc3 \xff\0\x1b[1m\"\\/\x7f\t\n";
    bench.until_size(&found, "stdout", soup.len() as u64).await;
    let reply = bench.get(&found.read("stdout", "&offset=0")).await;
    assert_eq!(reply.page().0, soup);
    assert!(std::str::from_utf8(&reply.body).is_err());
    assert_eq!(reply.header("content-type"), "application/json");
    // a page may cut a character
    let cut = bench.get(&found.read("stdout", "&offset=0&length=4")).await;
    assert_eq!(cut.body, b"{\"data\":\"caf\xc3\",\"offset\":0}");
    let script = found.read("stdout", "&offset=0&length=3&jsonp=cb");
    let reply = bench.get(&script).await;
    assert_eq!(reply.header("content-type"), "text/javascript");
    assert_eq!(reply.text(), r#"cb({"data":"caf","offset":0})"#);
    // a page from elsewhere must not run it
    let foreign = bench
        .http
        .get(&script)
        .header("sec-fetch-site", "cross-site");
    assert_eq!(bench.send(foreign).await.status, 403);
    bench.marathon.stop().await;
}

/// A task whose sandbox has all that leads astray.
async fn odd(bench: &Bench) -> Found {
    let cmd = "mkdir sub; ln -s /etc/passwd out; ln -s sub in; ln -s loop loop; mkfifo pipe; mkdir -p ../other; \
               ln -s \"$MESOS_SANDBOX/../other\" sib; echo x > sub/x; echo ok; exec sleep 1000";
    let found = bench.run("/odd", cmd).await;
    bench.until_size(&found, "stdout", 3).await;
    found
}

impl Bench {
    /// Asks for each of these, by both names of the call.
    async fn refuses(&self, found: &Found, cases: &[(&str, &str, u16, &str)]) {
        let real = self.marathon.dir.path().canonicalize().unwrap();
        let real = real.join("sandboxes").join(&found.task);
        for (name, query, status, body) in cases {
            let query = query.replace("path=S", &format!("path={}", found.path));
            let body = body.replace('S', &real.display().to_string());
            for end in ["", ".json"] {
                let url = format!("{}/files/{name}{end}?{query}", found.agent);
                let reply = self.get(&url).await;
                let answer = (reply.status, reply.text());
                assert_eq!(answer, (*status, body.clone()), "{url}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_question_is_said_in_the_words_of_mesos() {
    let bench = Bench::start().await;
    let found = odd(&bench).await;
    let no_path = "Expecting 'path=value' in query.\n";
    let no_offset = "Failed to parse offset: Failed to convert 'hello' to number.\n";
    let no_length = "Failed to parse length: Failed to convert 'hello' to number.\n";
    let cases = [
        ("read", "x=1", 400, no_path),
        ("browse", "path=", 400, no_path),
        ("download", "", 400, no_path),
        ("read", "path=S/none&offset=hello", 400, no_offset),
        (
            "read",
            "path=S/none&offset=-2",
            400,
            "Negative offset provided: -2.\n",
        ),
        ("read", "path=S/none&length=hello", 400, no_length),
        (
            "read",
            "path=S/none&length=-3",
            400,
            "Negative length provided: -3.\n",
        ),
        ("read", "path=S", 400, "Cannot read a directory.\n"),
        ("read", "path=S/in", 400, "Cannot read a directory.\n"),
        (
            "download",
            "path=S/sub",
            400,
            "Cannot download a directory.\n",
        ),
        (
            "read",
            "path=S/pipe",
            500,
            "Failed to open file at 'S/pipe': It is no regular file.\n",
        ),
        ("browse", "path=S/stdout", 200, "[]"),
        ("nothing", "path=S/stdout", 404, "404 Not Found."),
    ];
    bench.refuses(&found, &cases).await;
    let below = format!("{}/slave(1)/files/debug", found.agent);
    assert_eq!(bench.get(&below).await.text(), "404 Not Found.");
    bench.marathon.stop().await;
}

#[tokio::test]
async fn no_path_leads_out_of_a_sandbox() {
    let bench = Bench::start().await;
    let found = odd(&bench).await;
    let far = "../../../../../../../../../../etc/passwd";
    let (far_path, far_said) = (
        format!("path=S/{far}"),
        format!("'S/{far}' is inaccessible.\n"),
    );
    let foreign = format!(
        "path=/frameworks/x/executors/{}/runs/latest/stdout",
        found.task
    );
    let short = format!("path={VIRTUAL}/{}/stdout", found.task);
    let unknown = format!("path={VIRTUAL}/other/runs/latest/stdout");
    let cases = [
        ("read", far_path.as_str(), 400, far_said.as_str()),
        (
            "read",
            "path=S/%2e%2e/other",
            400,
            "'S/../other' is inaccessible.\n",
        ),
        ("browse", "path=S/..", 400, "'S/..' is inaccessible.\n"),
        ("read", "path=S/out", 400, "'S/out' is inaccessible.\n"),
        ("read", "path=S/sib", 400, "'S/sib' is inaccessible.\n"),
        ("download", "path=S/out", 400, "'S/out' is inaccessible.\n"),
        (
            "read",
            "path=S/loop",
            400,
            "Failed to determine canonical path of 'S/loop': Too many levels of symbolic links.\n",
        ),
        ("read", "path=S/none", 404, ""),
        ("browse", "path=S/none", 404, ""),
        ("download", "path=S/none", 404, "404 Not Found."),
        ("read", "path=S/stdout/x", 404, ""),
        ("read", "path=S//etc/passwd", 404, ""),
        ("read", "path=/etc/passwd", 404, ""),
        ("read", "path=stdout", 404, ""),
        ("read", foreign.as_str(), 404, ""),
        ("read", short.as_str(), 404, ""),
        ("read", unknown.as_str(), 404, ""),
    ];
    bench.refuses(&found, &cases).await;
    // through a link that stays within
    let inside = bench.get(&found.read("in/x", "&offset=0")).await;
    assert_eq!(inside.page().0, b"x\n");
    bench.marathon.stop().await;
}

#[tokio::test]
async fn a_long_log_is_rotated_and_a_long_answer_compressed() {
    let bench = Bench::start().await;
    let found = bench
        .run("/long", "seq 1 500000; echo done >&2; exec sleep 1000")
        .await;
    bench.until_size(&found, "stderr", 5).await;
    let size = async |name: &str| {
        let reply = bench.get(&found.read(name, "")).await;
        if reply.status == 200 {
            reply.page().1
        } else {
            0
        }
    };
    let all: u64 = (1..=500_000_u64)
        .map(|n| n.to_string().len() as u64 + 1)
        .sum();
    until("all is written", async || {
        let written = size("stdout").await + size("stdout.1").await;
        (written == all)
            .then_some(())
            .ok_or_else(|| written.to_string())
    })
    .await;
    let older = bench
        .get(&found.read("stdout.1", "&offset=0&length=4"))
        .await;
    assert_eq!(older.page().0, b"1\n2\n");
    let packed = async |url: &str| {
        let request = bench.http.get(url).header("accept-encoding", "gzip");
        bench
            .send(request)
            .await
            .header("content-encoding")
            .to_owned()
    };
    assert_eq!(packed(&found.read("stdout", "&offset=0")).await, "gzip");
    assert_eq!(
        packed(&found.read("stdout", "&offset=0&length=100")).await,
        ""
    );
    let download = found.read("stdout", "").replace("read?", "download?");
    assert_eq!(packed(&download).await, "");
    bench.marathon.stop().await;
}

#[tokio::test]
async fn logs_are_there_and_empty_before_a_task_runs() {
    let bench = Bench::start().await;
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // it is never brought
    let uri = format!("http://{}/file", slow.local_addr().unwrap());
    let app = json!({"id": "/slow", "cmd": "true", "fetch": [{ "uri": uri }]});
    bench.marathon.ok("POST", "/v2/apps", app).await;
    let staged = |app: &Value| !tasks(app).is_empty();
    let app = bench
        .marathon
        .until("staged", "/v2/apps/slow", staged)
        .await;
    let found = bench.find(tasks(&app)[0]).await;
    bench.until_size(&found, "stdout", 0).await;
    bench.until_size(&found, "stderr", 0).await;
    let state = bench.agent_state(&found).await;
    let executor = &state["frameworks"][0]["executors"][0];
    assert_eq!(executor["queued_tasks"][0]["id"], json!(found.task));
    assert_eq!(executor["tasks"], json!([]));
    bench
        .marathon
        .ok("DELETE", "/v2/apps/slow?force=true", Value::Null)
        .await;
    bench.marathon.idle().await;
    bench.marathon.stop().await;
}

#[tokio::test]
async fn folders_are_listed_and_files_downloaded() {
    let bench = Bench::start().await;
    let cmd = "mkdir sub; echo '<b>' > page.html; chmod 640 page.html; chmod 750 sub; ln -s none broken; echo ok; exec sleep 1000";
    let found = bench.run("/list", cmd).await;
    bench.until_size(&found, "stdout", 3).await;
    let url = format!("{}/files/browse?path={}/", found.agent, found.path);
    let list = bench.get(&url).await.json();
    let brief = |entry: &Value| {
        let path = entry["path"].as_str().unwrap();
        let name = path.strip_prefix(&found.path).unwrap().to_owned();
        (name, entry["mode"].clone(), entry["size"].as_u64().unwrap())
    };
    let list = list.as_array().unwrap();
    let briefs: Vec<_> = list.iter().map(brief).collect();
    assert_eq!(briefs[0], ("/page.html".to_owned(), json!("-rw-r-----"), 4));
    assert_eq!(
        (briefs[3].0.as_str(), &briefs[3].1),
        ("/sub", &json!("drwxr-x---"))
    );
    let names: Vec<_> = briefs.iter().map(|b| b.0.as_str()).collect();
    assert_eq!(names, ["/page.html", "/stderr", "/stdout", "/sub"]);
    assert!(list[0]["mtime"].is_f64() && list[0]["uid"].is_string() && list[0]["gid"].is_string());
    assert!(list[0]["nlink"] == 1);
    for (name, kind, body) in [
        ("page.html", "text/html", "<b>\n"),
        ("stdout", "application/octet-stream", "ok\n"),
        ("stderr", "application/octet-stream", ""),
    ] {
        let url = format!("{}/files/download?path={}/{name}", found.agent, found.path);
        let reply = bench.get(&url).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, body), "{name}");
        assert_eq!(reply.header("content-type"), kind);
        assert_eq!(reply.header("content-length"), body.len().to_string());
        let as_file = format!("attachment; filename={name}");
        assert_eq!(reply.header("content-disposition"), as_file);
    }
    bench.marathon.stop().await;
}

#[tokio::test]
async fn agents_and_files_fail_on_demand() {
    let bench = Bench::start().await;
    let found = bench.run("/web", "echo up; exec sleep 1000").await;
    bench.until_size(&found, "stdout", 3).await;
    let reset = || FaultChange {
        reset: true,
        ..FaultChange::default()
    };
    let read = found.read("stdout", "&offset=0");
    let download = read.replace("read?", "download?");
    bench.fault(FaultChange {
        files_gone: Some(true),
        ..reset()
    });
    assert_eq!(bench.get(&read).await.status, 404);
    bench.fault(FaultChange {
        files_forbidden: Some(true),
        ..reset()
    });
    let forbidden = bench.get(&read).await;
    assert_eq!((forbidden.status, forbidden.text()), (403, String::new()));
    assert_eq!(bench.get(&download).await.text(), "403 Forbidden.");
    bench.fault(FaultChange {
        files_slow_ms: Some(200),
        ..reset()
    });
    let before = Instant::now();
    assert_eq!(bench.get(&read).await.status, 200);
    assert!(before.elapsed() >= Duration::from_millis(200));
    bench.fault(FaultChange {
        agent_away: Some(true),
        ..reset()
    });
    assert!(bench.http.get(&read).send().await.is_err());
    let through = format!("{}/agent/{}/state", bench.master(), found.slave);
    assert_eq!(bench.get(&through).await.status, 502);
    let slaves = bench.get(&format!("{}/slaves", bench.master())).await;
    assert_eq!(slaves.json()["slaves"].as_array().unwrap().len(), 2);
    bench.fault(reset());
    assert_eq!(bench.get(&read).await.page().0, b"up\n");
    bench.marathon.stop().await;
}
