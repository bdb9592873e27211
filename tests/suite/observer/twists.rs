//! A history with the twists that real ones have, replayed as pushes: each ends in its own state and says why in a sentence that
//! somebody can act on. With `--nocapture` it is there to be read aloud.

use serde_json::{Value, json};
use test_kit::wait::until;

use crate::support::town::{Town, quick, service};

/// What one push after another comes to.
struct Told {
    town: Town,
    deploys: u32,
}

impl Told {
    /// The push cannot make it an app yet, for this reason.
    async fn waits(&self, message: &str, reason: &str) {
        self.town.push(message);
        let sentence = until(message, async || {
            let apps = self.town.get("/apps.json").await;
            let sentence = apps["registering"]["sentence"].as_str();
            let told = sentence.filter(|s| s.contains(reason));
            told.map(str::to_owned).ok_or(apps.to_string())
        })
        .await;
        println!("{message}\n    not registered: {sentence}");
    }

    /// The push is deployed and ends in this state; a failure has this code and says this.
    async fn ends(&mut self, message: &str, state: &str, failure: Option<(&str, &str)>) -> Value {
        self.town.push(message);
        self.deploys += 1;
        let deploy = self.town.ended(self.deploys).await;
        let said = &deploy["failure"];
        println!(
            "{message}\n    {} {}: {}",
            deploy["state"], said["code"], said["sentence"]
        );
        assert_eq!(deploy["state"], state, "{message}: {deploy}");
        if let Some((code, sentence)) = failure {
            assert_eq!(said["code"], code, "{message}: {deploy}");
            let says = said["sentence"].as_str().unwrap();
            assert!(
                says.contains(sentence),
                "{message}: {sentence:?} is not in {says:?}"
            );
        }
        deploy
    }

    async fn succeeds(&mut self, message: &str) -> Value {
        self.ends(message, "succeeded", None).await
    }

    async fn fails(&mut self, message: &str, code: &str, sentence: &str) -> Value {
        self.ends(message, "failed", Some((code, sentence))).await
    }

    fn descriptor(&self, text: &str) {
        self.town.write("dploy.app", text);
    }

    fn web(&self, version: u32, change: &Value) {
        let mut spec = service("/shop/web", version, "");
        for (key, value) in change.as_object().unwrap() {
            spec[key] = value.clone();
        }
        self.town.spec("web", &spec);
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.town.clone.join(path)).unwrap();
    }
}

/// Before there is an app: what a newcomer pushes first.
async fn beginning() -> Told {
    let mut town = Town::unobserved(&[], &[], quick()).await;
    town.git(&["rm", "-q", "dploy.app"]);
    town.write("README.md", "shop\n");
    town.push("a README alone");
    town.start().await;
    let mut told = Told { town, deploys: 0 };
    told.waits(
        "nothing of dploy",
        "dploy.app is missing at the top of the repository; `dploy init` writes one",
    )
    .await;
    told.descriptor("marathon_url: http://localhost:8080\napp_name: CHANGEME\n");
    told.waits("the default name", "dploy.app:2:11: app_name")
        .await;
    told.descriptor("app_nam: shop\n");
    told.waits(
        "a misspelt key",
        "unknown key \"app_nam\"; did you mean \"app_name\"?",
    )
    .await;
    told.descriptor("app_name: shop\n");
    told.fails("an app without specs", "SPEC_INVALID", "specs/")
        .await;
    told
}

async fn groups(told: &mut Told) {
    told.web(1, &json!({}));
    told.succeeds("hello").await;
    told.descriptor("app_name: store\n");
    told.fails(
        "another name",
        "SPEC_INVALID",
        "an app keeps its name: put it back",
    )
    .await;
    told.descriptor("app_name: shop\n");
    let group =
        json!({"id": "/shop/store", "apps": [service("cache", 1, ""), service("db", 1, "")]});
    told.town.spec("store", &group);
    told.web(1, &json!({"dependencies": ["/shop/store"]}));
    let deploy = told.succeeds("a group, and web depends on it").await;
    assert_eq!(deploy["services"].as_array().unwrap().len(), 3, "{deploy}");
    told.web(1, &json!({"dependencies": ["/shop/stor"]}));
    told.ends("a dependency that is not there", "succeeded", None)
        .await;
    told.web(1, &json!({"dependencies": ["/shop/store"]}));
    told.succeeds("the dependency put right").await;
    told.town.write(
        "specs/more.json",
        "{\n  \"id\": \"/shop/more\",\n  \"cmd\": \"sleep 1000\",\n}\n",
    );
    told.fails(
        "a comma too many",
        "SPEC_INVALID",
        "specs/more.json:4:1: invalid JSON: trailing comma",
    )
    .await;
    told.town.spec("more", &service("/shop/store/db", 1, ""));
    told.fails(
        "two of one id",
        "SPEC_INVALID",
        "/shop/store/db is already defined in specs/",
    )
    .await;
    told.remove("specs/more.json");
    told.ends("the second one gone", "unchanged", None).await;
}

async fn what_marathon_says(told: &mut Told) {
    let deps = json!({"dependencies": ["/shop/store"]});
    told.web(
        2,
        &json!({"cmd": "echo 'no route to 10.1.2.3' >&2; exit 7"}),
    );
    told.fails("a service that needs the network", "CRASHING", "times on ")
        .await;
    told.web(2, &json!({"acceptedResourceRoles": ["prod"]}));
    let sentence = "acceptedResourceRoles wants prod; there is * and slave_public";
    told.fails("a role that nobody has", "NO_OFFERS", sentence)
        .await;
    told.web(2, &json!({"acceptedResourceRoles": ["slave_public"]}));
    told.succeeds("the role of public services").await;
    told.web(2, &json!({"cpus": 64}));
    told.fails(
        "more than an agent has",
        "NO_OFFERS",
        "lacked CPUs (needs 64",
    )
    .await;
    told.web(
        2,
        &json!({"upgradeStrategy": {"minimumHealthCapacity": 2, "maximumOverCapacity": 1}}),
    );
    told.fails(
        "what Marathon refuses",
        "REJECTED",
        "upgradeStrategy.minimumHealthCapacity",
    )
    .await;
    let mut docker = service("/shop/web", 2, "");
    docker["container"] = json!({"type": "DOCKER", "docker": {"image": "python:3"}});
    told.town.spec("web", &docker);
    let deploy = told.fails("an image", "CRASHING", "Docker").await;
    assert!(
        told.town
            .get("/events.json?app=shop&limit=50")
            .await
            .to_string()
            .contains("MUTABLE_TAG"),
        "{deploy}"
    );
    told.web(3, &json!({"healthChecks": [{"protocol": "HTTP", "path": "/none", "portIndex": 0, "gracePeriodSeconds": 1, "intervalSeconds": 1, "timeoutSeconds": 1, "maxConsecutiveFailures": 2}]}));
    told.fails(
        "a path that is not there",
        "UNHEALTHY",
        "passed HTTP GET /none",
    )
    .await;
    told.web(4, &deps);
    told.succeeds("all put right").await;
}

async fn of_others(told: &mut Told) {
    let mut theirs = service("/shop/old", 1, "");
    theirs["labels"] = json!({"DPLOY": "blog"});
    assert_eq!(
        told.town.marathon_send("POST", "/v2/apps", &theirs).await.0,
        201
    );
    told.town.spec("old", &service("/shop/old", 1, ""));
    told.fails(
        "an id with the label of another app",
        "NOT_OURS",
        "is of the app blog, by its label",
    )
    .await;
    told.town.spec("old", &service("/shop/new", 1, ""));
    told.succeeds("another id").await;
    told.town.git(&["mv", "specs/old.json", "specs/new.json"]);
    told.ends("a file renamed", "unchanged", None).await;
    told.town.write("README.md", "shop, shop\n");
    told.ends("a README alone, again", "unchanged", None).await;
    told.remove("specs/new.json");
    told.ends("a spec that leaves", "unchanged", None).await;
    assert_eq!(told.town.app().await["orphans"], json!(["/shop/new"]));
    told.descriptor("app_name: shop\nprune: true\n");
    told.succeeds("what left is removed").await;
    assert!(told.town.tasks("/shop/new").await.is_empty());
    assert_eq!(
        told.town.tasks("/shop/old").await.len(),
        1,
        "a stranger's stays"
    );
    // back to where it began, by force
    told.town.git(&["reset", "-q", "--hard", "HEAD~3"]);
    told.succeeds("history rewritten").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_twist_of_a_history_ends_with_a_sentence_of_its_own() {
    let mut told = beginning().await;
    groups(&mut told).await;
    what_marathon_says(&mut told).await;
    of_others(&mut told).await;
    assert!(told.deploys >= 22);
    told.town.end().await;
}
