"""A repository's life, driven by the unchanged client PyGithub. Usage: github_client.py URL TOKEN HOOK_URL"""
import sys
import time

from github import Auth, BadCredentialsException, Github, GithubException, InputGitTreeElement
from github import RateLimitExceededException, UnknownObjectException

url, token, hook_url = sys.argv[1:]


def connect(token):
    return Github(base_url=url, auth=Auth.Token(token), retry=None, per_page=2,
                  seconds_between_requests=None, seconds_between_writes=None)


def refused(kind, status, act):
    try:
        act()
    except kind as error:
        assert error.status == status, error
        return error.data
    raise AssertionError("not refused")


github = connect(token)
me = github.get_user()
repo = me.create_repo("tour", description="A tour", auto_init=True)
assert (repo.description, repo.permissions.admin) == ("A tour", True)
assert repo.full_name in [r.full_name for r in me.get_repos()]

first = repo.get_git_ref("heads/main").object.sha
repo.create_git_ref("refs/heads/env/dev", first)
made = repo.create_file("specs/ä b.json", "one", "{}", branch="env/dev")
file = repo.get_contents("specs/ä b.json", ref="env/dev")
assert file.decoded_content == b"{}" and file.sha == made["content"].sha
changed = repo.update_file(file.path, "two", "{1}", file.sha, branch="env/dev")
assert refused(GithubException, 409, lambda: repo.update_file(file.path, "x", "", file.sha, branch="env/dev"))
for n in range(3):
    repo.create_file("f%d" % n, "file", "x")
commits = repo.get_commits()
assert (len(list(commits)), commits.totalCount) == (4, 4)
comparison = repo.compare("main", "env/dev")
assert (comparison.status, comparison.ahead_by, comparison.behind_by) == ("diverged", 2, 3)
assert [f.filename for f in comparison.files] == ["specs/ä b.json"]

head = repo.get_commit("main")
assert (head.author.login, head.stats.additions) == (me.login, 1)
head.create_status("success", "http://localhost/", "fine", "ci")
assert head.get_combined_status().state == "success"
assert [s.context for s in head.get_statuses()] == ["ci"]
blob = repo.create_git_blob("hello", "utf-8")
tree = repo.create_git_tree([InputGitTreeElement("a/b", "100644", "blob", sha=blob.sha)], base_tree=head.commit.tree)
commit = repo.create_git_commit("built", tree, [repo.get_git_commit(head.sha)])
repo.get_git_ref("heads/main").edit(commit.sha)
assert "a/b" in [e.path for e in repo.get_git_tree("main", recursive=True).tree]
tag = repo.create_git_tag("v1", "one", commit.sha, "commit")
repo.create_git_ref("refs/tags/v1", tag.sha)
assert [t.commit.sha for t in repo.get_tags()] == [commit.sha]
assert sorted(b.name for b in repo.get_branches()) == ["env/dev", "main"]

hook = repo.create_hook("web", {"url": hook_url, "content_type": "json", "secret": "s3cret"}, ["push"], True)
assert hook.config["secret"] == "********"
data = refused(GithubException, 422, lambda: repo.create_hook("web", {"url": hook_url}))
assert data["errors"][0]["message"] == "Hook already exists on this repository"
hook.ping()
hook.test()
end = time.time() + 30
while len(deliveries := list(repo.get_hook_deliveries(hook.id))) < 3 and time.time() < end:
    time.sleep(0.02)
assert sorted(d.event for d in deliveries) == ["ping", "ping", "push"], deliveries
push = next(d for d in deliveries if d.event == "push")
push = repo.get_hook_delivery(hook.id, push.id)
assert (push.status, push.status_code, push.request.payload["ref"]) == ("OK", 202, "refs/tags/v1")
hook.edit("web", {"url": hook_url, "content_type": "json"}, events=["push", "release"])
assert "secret" not in hook.config
hook.delete()
refused(UnknownObjectException, 404, lambda: repo.get_hook(hook.id))
refused(BadCredentialsException, 401, lambda: connect("no").get_user().login)
assert github.rate_limiting[1] == 5000 and 0 < github.rate_limiting[0] < 5000
assert github.get_rate_limit().resources.core.limit == 5000
assert github.get_repo(repo.full_name).update() is False, "nothing changed: 304"
github.requester.requestJsonAndCheck("POST", "/local/faults", input={"rate_limited": True})
refused(RateLimitExceededException, 403, lambda: github.get_user().name)
print("ok")
