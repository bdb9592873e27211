//! What a decision is put together with: the events of one command, and the numbers of the deploys it queues.

use super::deploy::Deploy;
use super::state::App;
use crate::event::{Cause, DeployQueued, DeployRef, Ending, Fact, NewEvent, Scale};
use crate::id::{AppId, CommitId, DeployNumber};

/// The actor of what nobody asked for.
pub(super) const OBSERVER: &str = "observer";

/// The events of a command while they are being thought of.
pub(super) struct Draft<'a> {
    /// The app.
    pub id: &'a AppId,
    /// Who commands.
    pub actor: &'a str,
    /// So far.
    pub events: Vec<NewEvent>,
    /// The highest number given.
    pub last: DeployNumber,
}

impl Draft<'_> {
    fn push(
        &mut self,
        app: bool,
        actor: &str,
        deploy: Option<DeployNumber>,
        fact: Fact,
    ) -> &NewEvent {
        let app = app.then(|| self.id.clone());
        let event = NewEvent {
            app,
            actor: actor.to_owned(),
            deploy,
            dedup: None,
            fact,
        };
        self.events.push_mut(event)
    }

    /// A fact that belongs to no app.
    pub fn global(&mut self, fact: Fact) {
        self.push(false, OBSERVER, None, fact);
    }

    /// A fact about the app.
    pub fn app(&mut self, fact: Fact) {
        let actor = self.actor.to_owned();
        self.push(true, &actor, None, fact);
    }

    /// A fact about a deploy.
    pub fn deploy(&mut self, number: DeployNumber, fact: Fact) -> &NewEvent {
        let actor = self.actor.to_owned();
        self.push(true, &actor, Some(number), fact)
    }

    /// Ends a deploy that has not touched Marathon: at once, or where it is the heir of a rollout, after that.
    pub fn end_untouched(
        &mut self,
        app: &App,
        deploy: &Deploy,
        outcome: Ending,
        code: String,
        sentence: String,
    ) {
        let runs = app
            .running
            .as_ref()
            .is_some_and(|d| d.number == deploy.number);
        let fact = if runs && app.inherits() {
            Fact::DeployEnding {
                outcome,
                code,
                sentence,
            }
        } else {
            Fact::ended_ill(outcome, code, sentence, Vec::new())
        };
        self.deploy(deploy.number, fact);
    }

    /// The number the next deploy gets.
    pub fn next(&self) -> DeployNumber {
        self.last.next()
    }

    /// Queues a deploy; the one that waits, and the running one where it touched nothing yet, are overtaken.
    /// A push waits for a rollback: should it turn out not to be the head, nobody would go back any more.
    pub fn queue(&mut self, app: &App, wanted: DeployQueued) -> DeployNumber {
        let rollback = app.running.as_ref().is_some_and(Deploy::is_rollback);
        let waits = rollback && wanted.cause == Cause::Push;
        self.queue_in_its_turn(app, wanted, waits)
    }

    /// Queues a deploy behind what runs, whatever that is.
    pub fn queue_behind(&mut self, app: &App, wanted: DeployQueued) -> DeployNumber {
        self.queue_in_its_turn(app, wanted, true)
    }

    fn queue_in_its_turn(&mut self, app: &App, wanted: DeployQueued, waits: bool) -> DeployNumber {
        let number = self.next();
        let by = DeployRef {
            deploy: Some(number),
            commit: wanted.commit.clone(),
        };
        let sentence = format!("overtaken by {number} ({})", wanted.commit.short());
        let overtaken = [
            (&app.waiting, true),
            (&app.running, !waits && app.running_untouched()),
        ];
        for deploy in overtaken
            .iter()
            .filter(|(_, may)| *may)
            .filter_map(|(d, _)| d.as_ref())
        {
            let fact = Fact::DeploySuperseded {
                by: by.clone(),
                sentence: sentence.clone(),
            };
            self.deploy(deploy.number, fact);
        }
        self.last = number;
        self.deploy(number, Fact::DeployQueued(Box::new(wanted)));
        number
    }

    /// Queues the head of the branch.
    pub fn queue_head(
        &mut self,
        app: &App,
        head: &CommitId,
        cause: Cause,
        reason: Option<String>,
    ) -> DeployNumber {
        self.queue(app, wanted(head, cause, None, reason))
    }
}

/// A deploy of a commit with nothing special about it.
pub(super) fn wanted(
    commit: &CommitId,
    cause: Cause,
    before: Option<CommitId>,
    reason: Option<String>,
) -> DeployQueued {
    DeployQueued {
        commit: commit.clone(),
        cause,
        before,
        specs_of: None,
        only: None,
        scale: Scale::Keep,
        force: false,
        reason,
    }
}
