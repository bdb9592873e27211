//! Stories by seed: few apps, few services, and several things that happen close to each other.

use fastrand::Rng;

use super::coverage::PHASES;
use super::incarnation::OWN;
use super::story::{
    Act, AppShape, Behaviour, Change, Deed, ServiceShape, Story, Strange, Told, Trouble, What, Wish,
};

/// A story of this seed.
pub fn story(seed: u64) -> Story {
    let mut chance = Rng::with_seed(seed);
    let apps = apps(&mut chance);
    let mut strange = Vec::new();
    if chance.u8(..10) == 0 {
        let label = (chance.bool()).then(|| apps[0].name.clone());
        let id = apps[0].services[0].id.clone();
        strange.push(Strange { id, label });
    }
    let mut at = if strange.is_empty() {
        chance.u32(0..40)
    } else {
        0
    };
    if chance.u8(..20) == 0 {
        strange.push(Strange {
            id: OWN.to_owned(),
            label: None,
        });
    }
    let mut acts = Vec::new();
    let share = |a: &AppShape| a.services[0].id == apps[0].services[0].id;
    if apps.len() > 1 && apps[1..].iter().all(share) && chance.bool() {
        let what = What::Trouble {
            what: Trouble::QuestionsHeld,
            seconds: 20,
        };
        let act = Act {
            at: 0,
            when: None,
            what,
        };
        acts.push(act);
    }
    for _ in 0..chance.usize(5..20) {
        let last = acts.last().map(|a: &Act| &a.what);
        let answered = last
            .filter(|_| chance.u8(..4) == 0)
            .and_then(|last| answer(&mut chance, last, &apps));
        // an answer comes while that what it answers is under way
        let phases = if answered.is_some() {
            &["calling", "rolling", "ending"]
        } else {
            PHASES
        };
        let when = (chance.u8(..3) == 0).then(|| (*chance.choice(phases).unwrap()).to_owned());
        let what = answered.unwrap_or_else(|| what(&mut chance, &apps));
        acts.push(Act { at, when, what });
        if chance.u8(..60) == 0 {
            acts.extend(knot(&mut chance, at, &apps));
        }
        at += match chance.u8(..10) {
            0..=4 => chance.u32(0..3),
            5..=8 => chance.u32(2..15),
            _ => chance.u32(15..90),
        };
    }
    Story {
        seed,
        apps,
        strange,
        acts,
    }
}

fn apps(chance: &mut Rng) -> Vec<AppShape> {
    let mut apps = vec![app(chance, "shop", 1, "main")];
    match chance.u8(..10) {
        0 => apps.push(app(chance, "shop-next", 1, "next")),
        1 => apps.push(app(chance, "blog", 2, "main")),
        2 => {
            // two that name one id
            let mut second = app(chance, "blog", 2, "main");
            second.services[0].id.clone_from(&apps[0].services[0].id);
            apps.push(second);
        }
        _ => {}
    }
    apps
}

fn app(chance: &mut Rng, name: &str, repository: u64, branch: &str) -> AppShape {
    let count = match chance.u16(..400) {
        0 => chance.usize(20..30),
        1..=9 => 8,
        10..=99 => 3,
        100..=199 => 2,
        _ => 1,
    };
    let names = ["web", "api", "db"];
    let id = |n: usize| match names.get(n) {
        Some(word) => format!("/{name}/{word}"),
        None => format!("/{name}/s{n}"),
    };
    let services = (0..count).map(|n| ServiceShape {
        id: id(n),
        instances: match chance.u8(..10) {
            _ if count > 8 => 1,
            // enough that a rollout one by one takes longer than the deadline
            0 => chance.u32(6..9),
            _ => chance.u32(1..5),
        },
        strategy: *chance
            .choice(&[(1.0, 1.0), (0.5, 0.0), (1.0, 0.0)])
            .unwrap(),
        checked: chance.u8(..10) < 8,
        needs: (n > 0 && chance.u8(..4) == 0).then(|| id(n - 1)),
    });
    let services = services.collect();
    AppShape {
        name: name.to_owned(),
        repository,
        branch: branch.to_owned(),
        prune: chance.u8(..3) == 0,
        group: chance.u8(..6) == 0,
        services,
    }
}

fn what(chance: &mut Rng, apps: &[AppShape]) -> What {
    let app = chance.usize(..apps.len());
    let services = &apps[app].services;
    let service = chance.usize(..services.len());
    match chance.u8(..100) {
        0..=34 => What::Push {
            app,
            change: change(chance, apps, service),
            told: match chance.u8(..10) {
                0..=6 => Told::Once,
                7 => Told::Twice,
                8 => Told::Late(chance.u32(1..60)),
                _ => Told::Never,
            },
        },
        35..=59 => What::Operator {
            app,
            by: (*chance.choice(&["ana", "ben"]).unwrap()).to_owned(),
            wish: wish(chance, service),
        },
        60..=71 => What::Stranger {
            id: services[service].id.clone(),
            deed: match chance.u8(..8) {
                0 => Deed::Unlabel,
                1 => Deed::Relabel,
                2 => Deed::Edit,
                3 => Deed::AddEnv,
                4 => Deed::Scale(chance.u32(0..6)),
                5 => Deed::Restart,
                6 => Deed::Delete,
                _ => Deed::Create,
            },
        },
        72..=91 => What::Trouble {
            what: if chance.bool() {
                *chance.choice(Trouble::ALL).unwrap()
            } else {
                *chance.choice(Trouble::OF_CALLS).unwrap()
            },
            seconds: match chance.u8(..4) {
                0 => chance.u32(1..5),
                1 | 2 => chance.u32(5..60),
                _ => chance.u32(60..200),
            },
        },
        92..=97 => What::Kill {
            away: chance.u32(0..30),
        },
        _ => What::Clock {
            by: chance.i64(-7200..7200),
        },
    }
}

/// Nobody knows what became of a call, Marathon or the observer goes away, and somebody wants something else.
fn knot(chance: &mut Rng, at: u32, apps: &[AppShape]) -> Vec<Act> {
    let app = chance.usize(..apps.len());
    let unsure = What::Trouble {
        what: *chance.choice(Trouble::OF_CALLS).unwrap(),
        seconds: chance.u32(5..30),
    };
    let pushed = |behaviour| What::Push {
        app,
        change: Change::Version(behaviour),
        told: Told::Once,
    };
    let behaviour = *chance
        .choice(&[Behaviour::Sick, Behaviour::Slow, Behaviour::Well])
        .unwrap();
    let away = match chance.u8(..3) {
        0 => What::Kill {
            away: chance.u32(0..20),
        },
        _ => What::Trouble {
            what: Trouble::MarathonAway,
            seconds: chance.u32(5..60),
        },
    };
    let wish = match chance.u8(..5) {
        0 | 1 => Wish::Cancel,
        2 => Wish::Rollback(1),
        3 => Wish::Destroy,
        _ => Wish::Redeploy,
    };
    let wants = What::Operator {
        app,
        by: "ana".to_owned(),
        wish,
    };
    let calling = || Some("calling".to_owned());
    [
        (None, unsure),
        (None, pushed(behaviour)),
        (calling(), away),
        (calling(), wants),
    ]
    .into_iter()
    .map(|(when, what)| Act { at, when, what })
    .collect()
}

/// What people do about what just happened.
fn answer(chance: &mut Rng, last: &What, apps: &[AppShape]) -> Option<What> {
    let pushed = |app, change| What::Push {
        app,
        change,
        told: Told::Once,
    };
    let wants = |app, wish| What::Operator {
        app,
        by: "ben".to_owned(),
        wish,
    };
    let about = match last {
        What::Push { app, .. } | What::Operator { app, .. } => *app,
        What::Stranger { id, .. } => {
            let owns = |a: &AppShape| a.services.iter().any(|s| s.id == *id);
            apps.iter().position(owns)?
        }
        _ => 0,
    };
    let service = chance.usize(..apps[about].services.len());
    let again = [Wish::Redeploy, Wish::Deploy, Wish::Rollback(1)];
    let bad = [
        Wish::Rollback(1),
        Wish::RollbackOne(service, 1),
        Wish::Cancel,
        Wish::Redeploy,
    ];
    let few = Change::Instances(service, chance.u32(1..6));
    Some(match last {
        What::Push {
            change: Change::Version(behaviour) | Change::One(_, behaviour),
            ..
        } if !matches!(behaviour, Behaviour::Well | Behaviour::Slow) => match chance.u8(..6) {
            0 => pushed(about, Change::Unreadable),
            1 => pushed(about, Change::Revert),
            _ => wants(about, chance.choice(&bad)?.clone()),
        },
        What::Operator {
            wish: Wish::Scale(..),
            ..
        }
        | What::Push {
            change: Change::Remove(_),
            ..
        } => pushed(about, Change::Version(Behaviour::Well)),
        What::Operator { .. } => match chance.u8(..3) {
            0 => pushed(about, Change::Readme),
            1 => pushed(about, Change::Version(Behaviour::Well)),
            _ => wants(about, Wish::Cancel),
        },
        What::Push {
            change: Change::Renames(..),
            ..
        } => wants(about, Wish::Adopt),
        What::Push {
            change: Change::Instances(n, _),
            ..
        } => {
            let before = apps[about].services.get(*n)?.instances;
            pushed(about, Change::Instances(*n, before))
        }
        What::Stranger { .. } if chance.bool() => pushed(about, Change::Readme),
        What::Trouble { .. } if chance.bool() => match chance.u8(..3) {
            0 => pushed(about, few),
            1 => pushed(about, Change::Version(Behaviour::Slow)),
            _ => pushed(about, Change::Version(Behaviour::Sick)),
        },
        What::Stranger { .. } | What::Trouble { .. } => {
            wants(about, chance.choice(&again)?.clone())
        }
        _ => return None,
    })
}

fn change(chance: &mut Rng, apps: &[AppShape], service: usize) -> Change {
    let behaviour = match chance.u8(..12) {
        0..=4 => Behaviour::Well,
        5 => Behaviour::Slow,
        6 | 7 => Behaviour::Sick,
        8 => Behaviour::Crash,
        9 => Behaviour::Later,
        10 => Behaviour::Never,
        _ => Behaviour::Old,
    };
    match chance.u8(..21) {
        0..=9 => Change::Version(behaviour),
        10 | 11 => Change::One(service, behaviour),
        12 => Change::Readme,
        13 if chance.bool() => Change::Unreadable,
        13 => Change::TooBig,
        14 | 15 => Change::Remove(service),
        16 => Change::AddAll,
        17 => Change::Instances(service, chance.u32(0..6)),
        18 => {
            let other = &apps[chance.usize(..apps.len())];
            let id = match chance.u8(..4) {
                0 => OWN,
                _ => &other.services[0].id,
            };
            Change::Renames(service, id.to_owned())
        }
        19 => Change::ForcedBack,
        _ => Change::Revert,
    }
}

fn wish(chance: &mut Rng, service: usize) -> Wish {
    match chance.u8(..25) {
        0..=5 => Wish::Rollback(chance.usize(1..3)),
        6 => Wish::RollbackForGood(chance.usize(1..3)),
        7 | 8 => Wish::RollbackOne(service, 1),
        9 | 10 => Wish::Deploy,
        11 => Wish::Force,
        12 | 13 => Wish::Redeploy,
        14 | 15 => Wish::Cancel,
        16 => Wish::Resume,
        17 if chance.bool() => Wish::LockFor(chance.u32(10..1200)),
        17 => Wish::Lock,
        18 => Wish::Unlock,
        19 | 20 => Wish::Scale(service, chance.u32(0..6)),
        21 => Wish::Adopt,
        22 => Wish::Destroy,
        23 => Wish::DestroyKeeping,
        _ => Wish::Register,
    }
}
