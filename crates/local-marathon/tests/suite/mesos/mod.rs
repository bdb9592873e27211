//! The sandboxes of tasks, read over HTTP as from a Mesos: the way to them, and who reads.

mod files;
mod master;

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
