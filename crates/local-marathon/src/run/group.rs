//! Process groups: what is started here is ended with all that it started.

use std::process::ExitStatus;

use process_wrap::tokio::{ChildWrapper, CommandWrap, ProcessGroup};
use tokio::process::{ChildStderr, ChildStdout, Command};

const SIGTERM: i32 = 15;

/// A process group of ours: it does not outlive this value.
pub struct Group(Box<dyn ChildWrapper>);

impl Group {
    /// Starts a command as the leader of its own group.
    pub fn spawn(command: Command) -> std::io::Result<Self> {
        let mut command = CommandWrap::from(command);
        command.wrap(ProcessGroup::leader()).spawn().map(Self)
    }

    /// Waits for the leader alone: children it left behind must not keep us waiting.
    pub async fn leader_exit(&mut self) -> std::io::Result<ExitStatus> {
        self.0.inner_mut().wait().await
    }

    /// What it says on its standard error, if that is a pipe and nobody has taken it.
    pub fn stderr(&mut self) -> Option<ChildStderr> {
        self.0.stderr().take()
    }

    /// What it prints, likewise.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.0.stdout().take()
    }

    /// The number of the group, as long as its leader is there.
    pub fn id(&self) -> Option<u32> {
        self.0.id()
    }

    /// SIGTERM to all of it; it may be gone already.
    pub fn terminate(&self) {
        let _ = self.0.signal(SIGTERM);
    }

    /// SIGKILL to all of it; it may be gone already.
    pub fn kill(&mut self) {
        let _ = self.0.start_kill();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
