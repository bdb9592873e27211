"""The logs of tasks, read by the unchanged command line `dcos`. Usage: dcos_client.py FOLDER MASTER RUNNING ENDED

RUNNING has printed `out 1` to `out 12`, and `err 1` on standard error; ENDED has printed `bye` and is over. FOLDER is for a Python
of its own, made once: what `dcos` asks for is too old for the one of other clients.
"""
import fcntl
import os
import subprocess
import sys
import tempfile

folder, master, running, ended = sys.argv[1:]
binaries = os.path.join(folder, "bin")

# its own list names a cryptography that does not build any more
TOOL = ["--no-deps", "dcoscli==0.6.1", "dcos==0.6.1"]
NEEDS = ["docopt", "toml", "jsonschema<3", "prettytable<1", "pygments", "requests", "six", "sseclient==0.0.19", "retrying==1.3.3",
         "pager", "pkginfo", "PyJWT==1.4.2", "cryptography", "setuptools<70"]


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise SystemExit("%s: %s%s" % (command, done.stdout, done.stderr))
    return done.stdout


def install():
    made = os.path.join(folder, "installed")
    wanted = " ".join(TOOL + NEEDS)
    with open(folder + ".lock", "w") as lock:
        # until it is made, or found
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(made) and open(made).read() == wanted:
            return
        run(sys.executable, "-m", "venv", "--clear", folder, timeout=300)
        for packages in (TOOL, NEEDS):
            pip = [os.path.join(binaries, "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            run(*pip, *packages, timeout=300)
        with open(made, "w") as file:
            file.write(wanted)


install()
home = tempfile.mkdtemp()

# what Python took away from under it since
with open(os.path.join(home, "sitecustomize.py"), "w") as site:
    site.write("import collections\nimport collections.abc as abc\n"
               "collections.Mapping, collections.MutableMapping = abc.Mapping, abc.MutableMapping\n")


def environment(name, *lines):
    """Settings in a file of its own."""
    config = os.path.join(home, name)
    with open(config, "w") as file:
        file.write("[core]\ntimeout = 10\nreporting = false\n" + "\n".join(lines) + "\n")
    os.chmod(config, 0o600)
    kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    paths = binaries + os.pathsep + kept.get("PATH", "")
    return dict(kept, DCOS_CONFIG=config, PYTHONPATH=home, HOME=home, PATH=paths)


def dcos(env, *arguments):
    return run(os.path.join(binaries, "dcos"), "task", *arguments, env=env, timeout=60).splitlines()


lines = ["out %d" % number for number in range(1, 13)]
for env in (
    environment("dcos.toml", 'dcos_url = "%s"' % master),
    environment("mesos.toml", 'dcos_url = "%s"' % master, 'mesos_master_url = "%s"' % master),
):
    log = dcos(env, "log", running)
    assert log == lines[-10:], log
    log = dcos(env, "log", "--lines=100", running, "stdout")
    assert log == lines, log
    log = dcos(env, "log", running, "stderr")
    assert log == ["err 1"], log
    log = dcos(env, "log", "--completed", ended)
    assert log == ["bye"], log
    files = " ".join(dcos(env, "ls", running)).split()
    assert "stdout" in files and "stderr" in files, files
    listed = "\n".join(dcos(env))
    assert running in listed and ended not in listed, listed
print("ok")
