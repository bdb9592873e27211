//! A story in sentences.

use super::branch::Branch;
use super::story::{Story, What};

/// What happens, in a sentence.
pub fn act(what: &What, branches: &[Branch]) -> String {
    let names: Vec<&str> = branches.iter().map(|b| b.shape.name.as_str()).collect();
    sentence(what, &names)
}

fn sentence(what: &What, names: &[&str]) -> String {
    let name = |app: &usize| names.get(*app).copied().unwrap_or("nobody");
    match what {
        What::Push { app, change, told } => format!(
            "somebody pushes to {}: {change:?}, told {told:?}",
            name(app)
        ),
        What::Operator { app, by, wish } => format!("{by} wants of {}: {wish:?}", name(app)),
        What::Stranger { id, deed } => format!("somebody else: {deed:?} {id}"),
        What::Trouble { what, seconds } => format!("for {seconds} s: {what:?}"),
        What::Kill { away } => format!("the observer is killed and stays away for {away} s"),
        What::Clock { by } => format!("somebody sets the observer's clock by {by} s"),
    }
}

/// A whole story.
pub fn story(story: &Story) -> String {
    let names: Vec<&str> = story.apps.iter().map(|a| a.name.as_str()).collect();
    let mut lines = vec![format!("seed {}", story.seed)];
    for app in &story.apps {
        let services: Vec<String> = app
            .services
            .iter()
            .map(|s| {
                let check = if s.checked { "" } else { ", no health check" };
                let needs = s
                    .needs
                    .as_ref()
                    .map(|n| format!(", needs {n}"))
                    .unwrap_or_default();
                format!("{} ×{} {:?}{check}{needs}", s.id, s.instances, s.strategy)
            })
            .collect();
        let how = format!(
            "{}{}",
            if app.prune { ", prune" } else { "" },
            if app.group { ", one group file" } else { "" }
        );
        lines.push(format!(
            "{} of repository {}, branch {}{how}: {}",
            app.name,
            app.repository,
            app.branch,
            services.join("; ")
        ));
    }
    lines.extend(
        story
            .strange
            .iter()
            .map(|s| format!("{} runs already, labelled {:?}", s.id, s.label)),
    );
    lines.extend(story.acts.iter().map(|a| {
        let when = a
            .when
            .as_ref()
            .map(|w| format!(" (when {w})"))
            .unwrap_or_default();
        format!("{:>4} s  {}{when}", a.at, sentence(&a.what, &names))
    }));
    lines.join("\n")
}
