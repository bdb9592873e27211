"""A service deployed, changed and shown by the unchanged command line `shpkpr`. Usage: shpkpr_client.py URL"""
import json
import os
import subprocess
import sys
import urllib.request

url = sys.argv[1]
here = os.path.dirname(os.path.abspath(__file__))
tool = os.path.join(os.path.dirname(sys.executable), "shpkpr")


def shpkpr(*arguments):
    done = subprocess.run([tool, "apps", *arguments, "--marathon-url", url], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise SystemExit("shpkpr %s: %s%s" % (arguments, done.stdout, done.stderr))
    return done.stdout


def deploy(*pairs):
    return shpkpr("deploy", "--template-dir", here, "-t", "app.json.tmpl", "--timeout", "30", *pairs)


def get(path):
    with urllib.request.urlopen(url + path) as answer:
        return json.load(answer)


deploy("NAME=pkg", "CMD=exec sleep 1000", "INSTANCES=2")
app = get("/v2/apps/pkg")["app"]
assert app["tasksRunning"] == 2 and app["deployments"] == [], app
deploy("--force", "NAME=pkg", "CMD=exec sleep 999", "INSTANCES=1")
app = get("/v2/apps/pkg")["app"]
assert app["cmd"] == "exec sleep 999" and app["tasksRunning"] == 1, app
shown = shpkpr("show")
assert "pkg" in shown, shown
print("ok")
