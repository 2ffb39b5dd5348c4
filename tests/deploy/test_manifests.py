"""Kubernetes manifests and Compose file: valid, true to the programs they start, in step with each other."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import kubernetes_validate
import pytest
import yaml

from tests.support.image import ROOT, stages

KUBERNETES = ROOT / "deploy" / "kubernetes"
COMPOSE_FILE = ROOT / "deploy" / "compose.yaml"
COMPOSE = yaml.safe_load(COMPOSE_FILE.read_text())
OLDEST, NEWEST = "1.29", kubernetes_validate.latest_version()
IMAGE = stages()[-1]
# What neither Locust nor we read from the environment, but the entrypoint or a health check does.
OTHERS = {"LOCUSTFILE", "MASTER_HOST", "LISTENS"}


def documents(folder="run"):
    """The manifests of a folder as they stand, kustomization.yaml aside."""
    paths = [path for path in sorted((KUBERNETES / folder).glob("*.yaml")) if path.stem != "kustomization"]
    return [document for path in paths for document in yaml.safe_load_all(path.read_text())]


def named(kind, name):
    (found,) = [each for each in documents() if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def pod(job):
    return named("Job", job)["spec"]["template"]["spec"]


def run_env():
    lines = (KUBERNETES / "run" / "run.env").read_text().split()
    return dict(line.split("=", 1) for line in lines)


class Container(NamedTuple):
    where: str
    arguments: list[str]
    environment: dict[str, str]


def containers():
    """Every container that deploy/ starts, with what its first process gets."""
    for job in ("greenup-master", "greenup-workers"):
        (made,) = pod(job)["containers"]
        own = {variable["name"]: variable["value"] for variable in made.get("env", [])}
        yield Container(f"kubernetes {job}", made["args"], run_env() | own)
    for name, service in COMPOSE["services"].items():
        own = {key: _default(value) for key, value in service.get("environment", {}).items()}
        yield Container(f"compose {name}", service["command"], own)


def _default(value):
    """What `${NAME:-default}` comes to when nothing is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value))


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Each container's command through the entrypoint, and then through the parser of what it starts."""
    stubs = tmp_path_factory.mktemp("stubs")
    for program in ("locust", "greenup"):
        (stubs / program).write_text(f'#!/bin/sh\nprintf "%s\\0" {program} "$@"\n')
        (stubs / program).chmod(0o755)
    asked = []
    for container in containers():
        done = subprocess.run(
            ["/bin/sh", ROOT / "deploy" / "entrypoint.sh", *container.arguments],
            env={"PATH": f"{stubs}:/usr/bin:/bin", **container.environment},
            capture_output=True,
            text=True,
            check=True,
        )
        program, *arguments = done.stdout.split("\0")[:-1]
        asked.append([program, arguments, container.environment])
    script = ROOT / "tests" / "support" / "command_lines.py"
    answers = subprocess.run(
        [sys.executable, script], input=json.dumps(asked), capture_output=True, text=True, check=True,
        cwd=ROOT, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    wheres = [container.where for container in containers()]
    return dict(zip(wheres, zip(asked, json.loads(answers.stdout), strict=True), strict=True))


WHERES = [container.where for container in containers()]


@pytest.mark.parametrize("where", WHERES)
def test_every_argument_is_one_that_the_program_understands(read, where):
    (_program, _arguments, _environment), answer = read[where]
    assert "mistake" not in answer


@pytest.mark.parametrize("where", WHERES)
def test_every_variable_is_one_that_somebody_reads(read, where):
    (_program, _arguments, environment), answer = read[where]
    assert environment.keys() <= {*answer["variables"], *OTHERS}


def test_the_master_gets_what_the_run_is_told(read):
    settings = read["kubernetes greenup-master"][1]["settings"]
    wanted = run_env()
    assert settings["num_users"] == wanted["LOCUST_USERS"]
    assert settings["spawn_rate"] == wanted["LOCUST_SPAWN_RATE"] + ".0"
    assert settings["csms_url"] == repr(wanted["GREENUP_CSMS_URL"])
    assert settings["duration"] == repr(wanted["GREENUP_DURATION"])
    assert (ROOT / wanted["LOCUSTFILE"]).is_file()


def test_workers_look_for_the_master_under_its_service_name(read):
    assert read["kubernetes greenup-workers"][1]["settings"]["master_host"] == "'greenup-master'"
    named("Service", "greenup-master")
    assert read["compose worker"][1]["settings"]["master_host"] == "'master'"
    assert "master" in COMPOSE["services"]


def test_the_ports_are_locusts(read):
    settings = read["kubernetes greenup-master"][1]["settings"]
    control = int(settings["master_bind_port"])
    (master,) = pod("greenup-master")["containers"]
    assert master["ports"] == [{"name": "control", "containerPort": control}]
    (port,) = named("Service", "greenup-master")["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (control, "control")
    assert int(read["kubernetes greenup-workers"][1]["settings"]["master_port"]) == control
    assert master["startupProbe"]["tcpSocket"] == master["readinessProbe"]["tcpSocket"] == {"port": "control"}
    assert COMPOSE["services"]["master"]["environment"]["LISTENS"] == str(control)
    csms = read["compose csms"][1]["settings"]["port"]
    assert COMPOSE["services"]["csms"]["environment"]["LISTENS"] == csms
    assert f":{csms}/" in _default(COMPOSE["services"]["master"]["environment"]["GREENUP_CSMS_URL"])
    assert IMAGE.all("EXPOSE") == [f"{settings['web_port']} {control}"]


def test_the_master_waits_for_as_many_workers_as_there_are(read):
    spec = named("Job", "greenup-workers")["spec"]
    expected = read["kubernetes greenup-master"][1]["settings"]["expect_workers"]
    assert expected == str(spec["completions"]) == str(spec["parallelism"])
    replicas = COMPOSE["services"]["worker"]["deploy"]["replicas"]
    assert read["compose master"][1]["settings"]["expect_workers"] == str(replicas)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize(
    "document", documents(), ids=lambda each: f"{each['kind']} {each['metadata']['name']}"
)
def test_a_manifest_is_valid(document, version):
    assert version.startswith(kubernetes_validate.validate(document, version, strict=True))


def test_the_validation_would_notice():
    broken = named("Job", "greenup-master")
    broken["spec"]["backofLimit"] = 0
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, NEWEST, strict=True)


def test_the_kustomizations_name_what_exists():
    for folder in ("run", "ui"):
        made = yaml.safe_load((KUBERNETES / folder / "kustomization.yaml").read_text())
        for resource in made["resources"]:
            assert (KUBERNETES / folder / resource).exists(), resource
        for generated in made.get("configMapGenerator", []):
            assert [(KUBERNETES / folder / file).is_file() for file in generated["envs"]] == [True]
    maps = [source["configMapRef"]["name"] for source in pod("greenup-workers")["containers"][0]["envFrom"]]
    run = yaml.safe_load((KUBERNETES / "run" / "kustomization.yaml").read_text())
    assert maps == [generated["name"] for generated in run["configMapGenerator"]]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl: the kustomizations are not built")
@pytest.mark.parametrize(
    ("folder", "arguments"),
    [("run", ["master", "--headless", "--only-summary", "--expect-workers", "4"]), ("ui", ["master"])],
)
def test_kustomize_builds_valid_objects(folder, arguments):
    built = subprocess.run(
        ["kubectl", "kustomize", KUBERNETES / folder], capture_output=True, text=True, check=True
    )
    objects = {each["metadata"]["name"]: each for each in yaml.safe_load_all(built.stdout)}
    for each in objects.values():
        kubernetes_validate.validate(each, NEWEST, strict=True)
    assert objects.keys() == {
        "greenup-run", "greenup-runs", "greenup-workers", "greenup-master"
    }  # fmt: skip
    assert objects["greenup-run"]["data"] == run_env()
    (master,) = objects["greenup-master"]["spec"]["template"]["spec"]["containers"]
    assert master["args"] == arguments
    assert ":" in master["image"]


@pytest.mark.parametrize("job", ["greenup-master", "greenup-workers"])
def test_a_pod_has_no_rights_that_it_does_not_need(job):
    spec = pod(job)
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert (
        spec["securityContext"]["runAsUser"]
        == spec["securityContext"]["fsGroup"]
        == int(IMAGE.all("USER")[0])
    )
    assert not spec["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {
        IMAGE.env()["GREENUP_RUNS"],
        IMAGE.env()["MPLCONFIGDIR"],
    }


def test_results_are_on_one_volume_for_all():
    claim = named("PersistentVolumeClaim", "greenup-runs")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for job in ("greenup-master", "greenup-workers"):
        runs = next(volume for volume in pod(job)["volumes"] if volume["name"] == "runs")
        assert runs["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_nothing_throttles_a_worker_and_nothing_restarts_it():
    (worker,) = pod("greenup-workers")["containers"]
    assert "cpu" not in worker["resources"]["limits"]
    assert "livenessProbe" not in worker


def test_the_compose_file_is_valid():
    checker = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", COMPOSE_FILE],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_compose_services_have_no_rights_that_they_do_not_need():
    for service in COMPOSE["services"].values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["volumes"] == ["runs:" + IMAGE.env()["GREENUP_RUNS"]]
