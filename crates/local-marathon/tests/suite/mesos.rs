//! The sandboxes of tasks, read over HTTP as from a Mesos.

use std::time::{Duration, Instant};

use local_marathon::{Credentials, FaultChange, LocalMarathon, Mesos, Options};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use test_kit::http::client;
use test_kit::marathon::{Marathon, quick, tasks};
use test_kit::ports::Ports;
use test_kit::wait::until;
use tokio::net::TcpListener;

const VIRTUAL: &str = "/frameworks/6d0f0a86-0000-4000-8000-000000000001-0000/executors";

/// A local Marathon with a Mesos beside it.
pub struct Bench {
    pub marathon: Marathon,
    http: reqwest::Client,
}

/// An answer, read to its end.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// As Latin-1, where each byte is a character.
    fn text(&self) -> String {
        self.body.iter().map(|byte| char::from(*byte)).collect()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// What `/files/read` says: the bytes, and the offset.
    fn page(&self) -> (Vec<u8>, u64) {
        assert_eq!(self.status, 200, "{}", self.text());
        let json: Value = serde_json::from_str(&self.text()).unwrap();
        let data = json["data"].as_str().unwrap().chars();
        let data = data.map(|c| u8::try_from(c).unwrap()).collect();
        (data, json["offset"].as_u64().unwrap())
    }
}

/// Where the files of a task are.
pub struct Found {
    pub task: String,
    slave: String,
    agent: String,
    path: String,
}

impl Found {
    fn read(&self, name: &str, query: &str) -> String {
        format!("{}/files/read?path={}/{name}{query}", self.agent, self.path)
    }
}

impl Bench {
    pub async fn start() -> Self {
        Self::with(None).await
    }

    async fn with(credentials: Option<Credentials>) -> Self {
        Self::open(tempfile::tempdir().unwrap(), credentials).await
    }

    async fn open(dir: tempfile::TempDir, credentials: Option<Credentials>) -> Self {
        let ports = Ports::take();
        let options = Options {
            dir: dir.path().to_owned(),
            tools: None,
            pace: quick(),
            resources: ports.resources(),
            credentials: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mesos = Mesos {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            credentials,
        };
        let server = LocalMarathon::start_with_mesos(listener, mesos, options);
        let marathon = Marathon::of(server.await.unwrap(), dir, ports);
        Self {
            marathon,
            http: client(),
        }
    }

    /// Stops it and starts another one on the same folder.
    async fn restart(mut self) -> Self {
        self.marathon.server.take().unwrap().stop().await;
        Self::open(self.marathon.dir, None).await
    }

    pub fn master(&self) -> String {
        let server = self.marathon.server.as_ref().unwrap();
        server.mesos_url().unwrap().to_owned()
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        let response = request.send().await.unwrap();
        Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await.unwrap().to_vec(),
        }
    }

    async fn get(&self, url: &str) -> Reply {
        self.send(self.http.get(url)).await
    }

    /// A task that runs this, and the way to its files as a client goes it.
    pub async fn run(&self, id: &str, cmd: &str) -> Found {
        self.marathon.deployed(json!({"id": id, "cmd": cmd})).await;
        let app = self.marathon.get(&format!("/v2/apps{id}")).await;
        self.find(tasks(&app)[0]).await
    }

    async fn find(&self, task: &Value) -> Found {
        let info = self.marathon.get("/v2/info").await;
        let master = info["marathon_config"]["mesos_leader_ui_url"].as_str();
        let slave = task["slaveId"].as_str().unwrap();
        let slaves = format!("{}slaves?slave_id={slave}", master.unwrap());
        let slaves = self.get(&slaves).await.json();
        let [found] = slaves["slaves"].as_array().unwrap().as_slice() else {
            panic!("not one: {slaves}")
        };
        let (pid, host) = (found["pid"].as_str().unwrap(), &found["hostname"]);
        let port = pid.rsplit_once(':').unwrap().1;
        let task = task["id"].as_str().unwrap();
        let framework = info["frameworkId"].as_str().unwrap();
        Found {
            task: task.to_owned(),
            slave: slave.to_owned(),
            agent: format!("http://{}:{port}", host.as_str().unwrap()),
            path: format!("/frameworks/{framework}/executors/{task}/runs/latest"),
        }
    }

    /// Waits until a file is so long.
    pub async fn until_size(&self, found: &Found, name: &str, wanted: u64) {
        until("as long", async || {
            let reply = self.get(&found.read(name, "")).await;
            let size = (reply.status == 200).then(|| reply.page().1);
            (size == Some(wanted))
                .then_some(())
                .ok_or_else(|| format!("{size:?} {}", reply.text()))
        })
        .await;
    }

    /// Reads a file as a client does, page by page.
    async fn whole(&self, found: &Found, name: &str) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let query = format!("&offset={}", all.len());
            let (data, offset) = self.get(&found.read(name, &query)).await.page();
            assert_eq!(offset, all.len() as u64);
            if data.is_empty() {
                return all;
            }
            all.extend(data);
        }
    }

    fn fault(&self, change: FaultChange) {
        self.marathon
            .server
            .as_ref()
            .unwrap()
            .faults()
            .apply(change);
    }

    /// Sets the number of tasks, and waits until it is so.
    pub async fn scaled(&self, id: &str, instances: u64) {
        let change = json!({ "instances": instances });
        let path = format!("/v2/apps{id}");
        self.marathon.ok("PUT", &path, change).await;
        self.marathon.idle().await;
    }

    async fn agent_state(&self, found: &Found) -> Value {
        self.get(&format!("{}/state", found.agent)).await.json()
    }
}

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
async fn the_same_files_by_every_name_of_a_sandbox_while_a_task_runs_and_after_it_has_ended() {
    let bench = Bench::start().await;
    let found = bench.run("/web", "echo up; exec sleep 1000").await;
    bench.until_size(&found, "stdout", 3).await;
    let state = bench.agent_state(&found).await;
    let framework = &state["frameworks"][0];
    let executor = &framework["executors"][0];
    assert_eq!(state["completed_frameworks"], json!([]));
    assert_eq!(executor["id"], json!(found.task));
    assert_eq!(executor["tasks"][0]["state"], "TASK_RUNNING");
    assert_eq!(executor["tasks"][0]["name"], "web");
    let directory = executor["directory"].as_str().unwrap().to_owned();
    let (runs, container) = directory.rsplit_once('/').unwrap();
    assert_eq!(executor["container"], container);
    let end = format!("slaves/{}{VIRTUAL}/{}/runs", found.slave, found.task);
    assert!(runs.ends_with(&end), "{runs}");
    let names = [
        directory.clone(),
        format!("{runs}/latest"),
        found.path.clone(),
    ];
    let all_read = async || {
        for name in &names {
            let url = format!("{}/files/read?path={name}/stdout&offset=0", found.agent);
            assert_eq!(bench.get(&url).await.page().0, b"up\n", "{name}");
        }
    };
    all_read().await;
    let debug = bench
        .get(&format!("{}/files/debug", found.agent))
        .await
        .json();
    let listed: Vec<&String> = debug.as_object().unwrap().keys().collect();
    assert!(names.iter().all(|name| listed.contains(&name)), "{debug}");

    bench.scaled("/web", 0).await;
    all_read().await;
    let state = bench.agent_state(&found).await;
    assert_eq!(state["frameworks"], json!([]), "it is idle here");
    let executor = &state["completed_frameworks"][0]["completed_executors"][0];
    assert_eq!(executor["directory"], json!(directory));
    assert_eq!(executor["completed_tasks"][0]["state"], "TASK_KILLED");
    let master = bench
        .get(&format!("{}/master/state", bench.master()))
        .await
        .json();
    let framework = &master["frameworks"][0];
    assert_eq!(framework["tasks"], json!([]));
    assert_eq!(framework["completed_tasks"][0]["id"], json!(found.task));

    // another one, on the other agent or the same
    bench.scaled("/web", 2).await;
    let state = bench.agent_state(&found).await;
    assert_eq!(state["completed_frameworks"], json!([]), "it is back");
    std::fs::remove_dir_all(
        bench
            .marathon
            .dir
            .path()
            .join("sandboxes")
            .join(&found.task),
    )
    .unwrap();
    let gone = bench.get(&found.read("stdout", "")).await;
    assert_eq!((gone.status, gone.text()), (404, String::new()));
    let debug = bench
        .get(&format!("{}/files/debug", found.agent))
        .await
        .text();
    assert!(!debug.contains(&found.task));
    bench.marathon.stop().await;
}

#[tokio::test]
async fn what_tasks_wrote_is_there_after_a_restart() {
    let bench = Bench::start().await;
    let ended = bench.run("/ended", "echo bye; exec sleep 1000").await;
    bench.until_size(&ended, "stdout", 4).await;
    bench
        .marathon
        .ok("DELETE", "/v2/apps/ended", Value::Null)
        .await;
    bench.marathon.idle().await;
    let running = bench.run("/running", "echo up; exec sleep 1000").await;
    bench.until_size(&running, "stdout", 3).await;
    let bench = bench.restart().await;
    for (before, said) in [(&ended, "bye\n"), (&running, "up\n")] {
        // the agents have other ports now
        let task = json!({"id": before.task, "slaveId": before.slave});
        let found = bench.find(&task).await;
        let log = bench.get(&found.read("stdout", "&offset=0")).await;
        assert_eq!(log.page().0, said.as_bytes());
        let state = bench
            .get(&format!("{}/master/state", bench.master()))
            .await
            .json();
        let completed = state["frameworks"][0]["completed_tasks"]
            .as_array()
            .unwrap();
        let task = completed
            .iter()
            .find(|task| task["id"] == json!(before.task));
        assert_eq!(task.unwrap()["state"], "TASK_KILLED");
    }
    bench.marathon.idle().await;
    let again = |app: &Value| {
        tasks(app)
            .iter()
            .any(|task| task["state"] == "TASK_RUNNING")
    };
    let app = bench
        .marathon
        .until("runs again", "/v2/apps/running", again)
        .await;
    let found = bench.find(tasks(&app)[0]).await;
    assert_ne!(found.task, running.task);
    bench.until_size(&found, "stdout", 3).await;
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
async fn master_and_dcos_lead_to_the_agents() {
    let bench = Bench::start().await;
    let found = bench.run("/a/b", "echo up; exec sleep 1000").await;
    bench.until_size(&found, "stdout", 3).await;
    let master = bench.master();
    let at = async |path: &str| bench.get(&format!("{master}{path}")).await;
    for path in [
        "/slaves",
        "/master/slaves",
        "/mesos/slaves",
        "/mesos/master/slaves",
    ] {
        let slaves = at(path).await.json();
        let slaves = slaves["slaves"].as_array().unwrap().clone();
        let hosts: Vec<_> = slaves
            .iter()
            .map(|s| s["hostname"].as_str().unwrap())
            .collect();
        assert_eq!(hosts, ["127.0.0.1", "localhost"]);
        assert!(slaves.iter().all(|s| {
            s["pid"]
                .as_str()
                .unwrap()
                .starts_with("slave(1)@127.0.0.1:")
        }));
        assert_ne!(slaves[0]["pid"], slaves[1]["pid"]);
    }
    assert_eq!(at("/slaves?slave_id=x").await.json()["slaves"], json!([]));
    for path in [
        "/state",
        "/state.json",
        "/master/state",
        "/master/state.json",
        "/mesos/master/state.json",
    ] {
        let state = at(path).await.json();
        let framework = &state["frameworks"][0];
        assert_eq!(framework["tasks"][0]["id"], json!(found.task), "{path}");
        assert_eq!(framework["tasks"][0]["name"], "b.a");
        assert_eq!(framework["active"], true);
        assert_eq!(
            (
                &framework["completed_tasks"],
                &state["completed_frameworks"]
            ),
            (&json!([]), &json!([]))
        );
        assert!(state["slaves"].is_array());
    }
    let frameworks = at("/master/frameworks").await.json();
    assert_eq!(frameworks["frameworks"][0]["name"], "marathon");
    assert_eq!(at("/version").await.json()["version"], "1.7.3");
    let straight = local_kit::http::client().unwrap().build().unwrap();
    let to = straight.get(format!("{master}/redirect"));
    let to = bench.send(to).await;
    let address = master.strip_prefix("http:").unwrap();
    assert_eq!((to.status, to.header("location")), (307, address));
    let capabilities = at("/capabilities").await;
    let kind = "application/vnd.dcos.capabilities+json;charset=utf-8;version=v1";
    assert_eq!(capabilities.header("content-type"), kind);
    assert_eq!(at("/metadata").await.status, 404);
    for face in ["agent", "slave"] {
        let below = format!("/{face}/{}", found.slave);
        for path in [
            "/state",
            "/state.json",
            "/slave(1)/state",
            "/slave%281%29/state.json",
        ] {
            let state = at(&format!("{below}{path}")).await.json();
            assert_eq!(state["id"], json!(found.slave), "{path}");
        }
        let read = format!(
            "{below}/files/read.json?path={}/stdout&offset=0",
            found.path
        );
        assert_eq!(at(&read).await.page().0, b"up\n");
        let unknown = at(&format!("/{face}/x/state")).await;
        let text = "404 Not Found: agent `x` unknown.".to_owned();
        assert_eq!((unknown.status, unknown.text()), (404, text));
    }
    for path in ["/state", "/slave(1)/state", "/slave%281%29/state"] {
        let state = bench.get(&format!("{}{path}", found.agent)).await.json();
        assert_eq!(state["id"], json!(found.slave), "{path}");
    }
    // the sandboxes of one agent are not on the other
    let slaves = at("/slaves").await.json();
    let other = slaves["slaves"]
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["id"] != json!(found.slave));
    let other = format!("/agent/{}", other.unwrap()["id"].as_str().unwrap());
    let read = format!("{other}/files/read?path={}/stdout", found.path);
    assert_eq!(at(&read).await.status, 404);
    bench.marathon.stop().await;
}

#[tokio::test]
async fn a_hundred_tasks_are_listed_unless_all_are_asked_for() {
    let bench = Bench::start().await;
    let found = bench.run("/one", "exec sleep 1000").await;
    bench.run("/two", "exec sleep 1000").await;
    let master = bench.master();
    let ids = async |query: &str| {
        let tasks = bench.get(&format!("{master}/tasks?{query}")).await.json();
        let tasks = tasks["tasks"].as_array().unwrap().clone();
        let id = |t: &Value| {
            t["id"]
                .as_str()
                .unwrap()
                .split('.')
                .next()
                .unwrap()
                .to_owned()
        };
        tasks.iter().map(id).collect::<Vec<_>>()
    };
    assert_eq!(ids("").await, ["two", "one"]);
    assert_eq!(ids("order=asc&limit=-1").await, ["one", "two"]);
    assert_eq!(ids("limit=1").await, ["two"]);
    assert_eq!(ids("limit=1&offset=1").await, ["one"]);
    assert_eq!(ids(&format!("task_id={}", found.task)).await, ["one"]);
    assert!(ids("framework_id=x").await.is_empty());
    let tasks = bench.get(&format!("{master}/master/tasks")).await.json();
    assert_eq!(tasks["tasks"][0]["executor_id"], "");
    assert_eq!(tasks["tasks"][1]["slave_id"], json!(found.slave));
    assert_eq!(
        bench.get(&format!("{master}/tasks?limit=x")).await.status,
        400
    );
    bench.marathon.stop().await;
}

#[tokio::test]
async fn who_has_no_credentials_reads_nothing() {
    let bench = Bench::with(Some(Credentials::new("reader:secret"))).await;
    let master = bench.master();
    let open = bench.get(&format!("{master}/version")).await;
    assert_eq!(open.status, 200);
    let refused = bench.get(&format!("{master}/slaves")).await;
    assert_eq!(
        (refused.status, refused.text()),
        (401, "401 Unauthorized.".to_owned())
    );
    let realm = "Basic realm=\"mesos-master-readonly\"";
    assert_eq!(refused.header("www-authenticate"), realm);
    let known = |url: &str| bench.http.get(url).basic_auth("reader", Some("secret"));
    let slaves = bench.send(known(&format!("{master}/slaves"))).await.json();
    let pid = slaves["slaves"][0]["pid"].as_str().unwrap();
    let agent = format!("http://{}", pid.split_once('@').unwrap().1);
    for path in ["/state", "/files/debug", "/files/read?path=x"] {
        let refused = bench.get(&format!("{agent}{path}")).await;
        assert_eq!(refused.status, 401, "{path}");
        let realm = "Basic realm=\"mesos-agent-readonly\"";
        assert_eq!(refused.header("www-authenticate"), realm);
        let wrong = bench
            .http
            .get(format!("{agent}{path}"))
            .basic_auth("reader", Some("x"));
        assert_eq!(bench.send(wrong).await.status, 401, "{path}");
    }
    let state = bench.send(known(&format!("{agent}/state"))).await;
    assert_eq!(state.status, 200);
    let missing = bench
        .send(known(&format!("{agent}/files/read?path=x")))
        .await;
    assert_eq!(missing.status, 404);
    bench.marathon.stop().await;
}

#[tokio::test]
async fn only_programs_on_this_machine_are_answered() {
    let bench = Bench::start().await;
    let master = bench.master();
    let slaves = bench.get(&format!("{master}/slaves")).await.json();
    let agent = slaves["slaves"][1]["pid"]
        .as_str()
        .unwrap()
        .split_once('@')
        .unwrap()
        .1
        .to_owned();
    for url in [format!("{master}/slaves"), format!("http://{agent}/state")] {
        let foreign = bench.http.get(&url).header("host", "example.com");
        assert_eq!(bench.send(foreign).await.status, 403, "{url}");
        let page = bench.http.post(&url).header("origin", "http://example.com");
        assert_eq!(bench.send(page).await.status, 403, "{url}");
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

#[tokio::test]
async fn a_marathon_without_mesos_leads_nowhere() {
    let marathon = Marathon::start().await;
    let info = marathon.get("/v2/info").await;
    assert_eq!(info["marathon_config"]["mesos_leader_ui_url"], Value::Null);
    assert_eq!(marathon.server.as_ref().unwrap().mesos_url(), None);
    marathon.stop().await;
}
