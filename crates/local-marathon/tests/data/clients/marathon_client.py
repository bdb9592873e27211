"""The life of a service, driven by the unchanged `marathon` client. Usage: marathon_client.py URL"""
import json
import sys
import threading
import time

from marathon import MarathonClient
from marathon.exceptions import MarathonHttpError, NotFoundError
from marathon.models import MarathonApp

client = MarathonClient(sys.argv[1])


def until(what, look):
    end = time.time() + 30
    while time.time() < end:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise SystemExit("never " + what)


def idle():
    until("idle", lambda: not client.list_deployments())


seen = []
attached = threading.Event()


def listen():
    # raw: the models of this client want plans with whole groups, which Marathon no longer sends since 1.8
    for text in client.event_stream(raw=True):
        seen.append(json.loads(text)["eventType"])
        attached.set()


threading.Thread(target=listen, daemon=True).start()
assert attached.wait(30), "no event stream"

assert client.ping() in (b"pong", b'"pong"'), client.ping()
assert client.get_info().version.startswith("1.8"), client.get_info()

# create
app = client.create_app("shop/web", MarathonApp(cmd="exec sleep 1000", mem=16, cpus=0.1, instances=1))
assert app.id == "/shop/web", app
idle()
assert [a.id for a in client.list_apps()] == ["/shop/web"]
tasks = client.list_tasks("/shop/web")
assert [t.state for t in tasks] == ["TASK_RUNNING"], tasks
assert client.get_group("/shop").apps[0].id == "/shop/web"

# update
client.update_app("/shop/web", MarathonApp(cmd="exec sleep 999", labels={"a": "b"}))
deployments = client.list_deployments()
assert deployments and deployments[0].affected_apps == ["/shop/web"], deployments
idle()
assert client.get_app("/shop/web").cmd == "exec sleep 999"
assert len(client.list_versions("/shop/web")) == 2

# scale and restart
client.scale_app("/shop/web", instances=3)
idle()
before = {t.id for t in client.list_tasks("/shop/web")}
assert len(before) == 3, before
client.restart_app("/shop/web")
idle()
after = {t.id for t in client.list_tasks("/shop/web")}
assert len(after) == 3 and not before & after, (before, after)

# kill one; it is replaced
victim = sorted(after)[0]
client.kill_task("/shop/web", victim)
until("replaced", lambda: sum(t.state == "TASK_RUNNING" and t.id != victim for t in client.list_tasks("/shop/web")) == 3)
assert client.list_queue() == [], client.list_queue()

# refused and missing
try:
    client.create_app("shop/web", MarathonApp(cmd="exec sleep 1"))
    raise SystemExit("a second /shop/web was created")
except MarathonHttpError as error:
    assert error.status_code == 409, error

# delete
client.delete_app("/shop/web")
idle()
try:
    client.get_app("/shop/web")
    raise SystemExit("/shop/web is still there")
except NotFoundError:
    pass

for wanted in ("event_stream_attached", "deployment_success", "status_update_event", "app_terminated_event"):
    until("an event " + wanted, lambda: wanted in seen)
print("ok")
