"""deploy/k8s: what the current API takes, and what its schemas don't see. Offline; kubectl builds the manifests."""

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from service import budget, settings
from service.cli.serve import PING_S
from service.settings import Settings, SettingsError
from tests.deploy import manifests
from tests.deploy.manifest_rules import RULES
from tests.deploy.manifests import KUSTOMIZATIONS, Object, objects, of_kind

pytestmark = pytest.mark.skipif(bool(manifests.why_not()), reason=manifests.why_not())

NO_SCHEMA = {"ServiceMonitor"}  # Prometheus' operator brings it into a cluster; its fields are looked at below


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_every_object_is_one_of_the_current_api(name: str) -> None:
    for each in objects(name):
        if each["kind"] in NO_SCHEMA:
            continue
        kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_objects_fit_together(name: str, rule: Callable[[Sequence[Object]], list[str]]) -> None:
    found = rule(objects(name))
    assert not found, "\n".join(found)


def _first(all_of_them: Sequence[Object], kind: str) -> Any:
    return of_kind(all_of_them, kind)[0]["spec"]


def _container(all_of_them: Sequence[Object]) -> Any:
    return _first(all_of_them, "Deployment")["template"]["spec"]["containers"][0]


def _settings(all_of_them: Sequence[Object]) -> dict[str, str]:
    data: dict[str, str] = of_kind(all_of_them, "ConfigMap")[0]["data"]
    return data


BREAKAGES: dict[str, tuple[Callable[[list[Object]], Any], str]] = {
    "selector": (
        lambda all_: _first(all_, "PodDisruptionBudget")["selector"]["matchLabels"].pop("app.kubernetes.io/component"),
        "PodDisruptionBudget service selects",
    ),
    "service port": (
        lambda all_: [s["spec"]["ports"][0].update(targetPort="web") for s in of_kind(all_, "Service")],
        "leads to port web",
    ),
    "ingress": (
        lambda all_: [s["spec"]["ports"][0].update(name="web") for s in of_kind(all_, "Service")],
        "which is not there",
    ),
    "monitor": (
        lambda all_: _first(all_, "ServiceMonitor")["selector"]["matchLabels"].update(x="y"),
        "ServiceMonitor service finds []",
    ),
    "volume": (
        lambda all_: _first(all_, "Deployment")["template"]["spec"]["volumes"].pop(),
        "is mounted and no volume",
    ),
    "limit": (lambda all_: _container(all_)["resources"]["requests"].update(cpu="2"), "asks for more cpu"),
    "probe": (
        lambda all_: _container(all_)["livenessProbe"]["httpGet"].update(path="/health"),
        "which is no route",
    ),
    "setting": (lambda all_: _settings(all_).update(QUEUES="4"), "QUEUES, which is no setting"),
    "image": (
        lambda all_: _container(all_).update(image="art-text-plant:latest"),
        "runs art-text-plant:latest",
    ),
    "root": (
        lambda all_: _first(all_, "Deployment")["template"]["spec"]["securityContext"].update(runAsUser=0),
        "runs as root",
    ),
    "grace": (
        lambda all_: _first(all_, "Deployment")["template"]["spec"].update(terminationGracePeriodSeconds=8),
        "is killed before it has stopped",
    ),
    "gap": (
        lambda all_: _first(all_, "Deployment")["strategy"]["rollingUpdate"].update(maxUnavailable=1),
        "takes a pod away before",
    ),
}


@pytest.mark.parametrize("what", BREAKAGES)
def test_what_does_not_fit_together_is_found(what: str) -> None:
    large = objects("large")
    damage, sentence = BREAKAGES[what]
    damage(large)
    found = [said for rule in RULES for said in rule(large)]
    assert any(sentence in said for said in found), found


def test_proxies_wait_longer_than_an_idle_stream_may_last() -> None:
    """Else they cut it first, without the reason that the page shows."""
    defaults = Settings.model_validate({})
    assert defaults.stream_idle_s > PING_S
    notes = of_kind(objects("large"), "Ingress")[0]["metadata"]["annotations"]
    waits = {key: int(value[:-1]) for key, value in notes.items() if re.search("read|send|server|tunnel", key)}
    assert len(waits) == 4
    assert min(waits.values()) > defaults.stream_idle_s
    assert int(notes["nginx.org/client-max-body-size"][:-1]) * 2**20 >= defaults.body_bytes


@pytest.mark.parametrize(("name", "fewest"), [("small", 1), ("large", 3)])
def test_a_pod_gets_one_thread_and_one_core_and_the_memory_that_it_may_need(name: str, fewest: int) -> None:
    all_of_them = objects(name)
    container = _container(all_of_them)
    asked, allowed = container["resources"]["requests"], container["resources"]["limits"]
    threads = int(_settings(all_of_them)["THREADS"])
    need = sum(budget.worst_case(Settings.model_validate({"threads": threads})).values())
    assert need <= manifests.quantity(allowed["memory"]) < 1.2 * need
    assert threads == manifests.quantity(asked["cpu"]) == int(manifests.quantity(allowed["cpu"])) == 1
    scaler = _first(all_of_them, "HorizontalPodAutoscaler")
    assert scaler["minReplicas"] == fewest < scaler["maxReplicas"]
    assert scaler["scaleTargetRef"]["name"] == of_kind(all_of_them, "Deployment")[0]["metadata"]["name"]


def test_the_public_does_not_get_the_metrics() -> None:
    all_of_them = objects("large")
    paths = _first(all_of_them, "Ingress")["rules"][0]["http"]["paths"]
    to = {path["path"]: path["backend"]["service"]["name"] for path in paths}
    spec = {each["metadata"]["name"]: each["spec"] for each in of_kind(all_of_them, "Service")}
    assert "selector" not in spec[to["/metrics"]]
    assert "selector" in spec[to["/"]]


def test_training_gets_a_gpu_and_the_registry_that_services_follow() -> None:
    job = of_kind(objects("training"), "Job")[0]["spec"]["template"]["spec"]
    resources = job["containers"][0]["resources"]
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == "1"
    assert any(each["key"] == "nvidia.com/gpu" for each in job["tolerations"])
    addresses = {
        manifests.variables(all_of_them, manifests.containers(pod)[0])["MLFLOW_TRACKING_URI"]
        for all_of_them in (objects("training"), objects("large"))
        for _, pod in manifests.pods(all_of_them)
    }
    assert len(addresses) == 1


def _git(*arguments: str, cwd: Path) -> None:
    who = ["-c", "user.name=A test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=cwd, check=True, capture_output=True)


def _checkout(cwd: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    program = manifests.ROOT / "deploy/k8s/training/checkout.sh"
    environment = {
        "PATH": f"{manifests.ROOT / '.venv/bin'}:/usr/bin:/bin",
        "HOME": str(cwd),
        "DVC_NO_ANALYTICS": "1",
    }
    return subprocess.run(
        ["sh", str(program)],
        cwd=cwd,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_training_takes_its_code_from_git_and_its_photos_from_the_shared_remote(tmp_path: Path) -> None:
    """The Job's own program, on a repository and a remote of this machine."""
    origin, shared, project = (tmp_path / name for name in ("origin", "shared", "project"))
    (origin / "data").mkdir(parents=True)
    (origin / "data" / "photo.jpg").write_bytes(b"a photo")
    _git("init", "--quiet", "--initial-branch", "main", cwd=origin)
    dvc = str(manifests.ROOT / ".venv/bin/dvc")
    for command in (
        ["init", "-q"],
        ["remote", "add", "-q", "-d", "shared", str(shared)],
        ["add", "-q", "data"],
    ):
        subprocess.run([dvc, *command], cwd=origin, check=True, capture_output=True)
    subprocess.run([dvc, "push", "-q"], cwd=origin, check=True, capture_output=True)
    subprocess.run([dvc, "remote", "add", "-q", "-f", "-d", "bundled", "nowhere"], cwd=origin, check=True)
    _git("add", "--all", cwd=origin)
    _git("commit", "--quiet", "-m", "with photos", cwd=origin)
    (project / "models").mkdir(parents=True)  # the volume that is mounted there
    done = _checkout(project, REPOSITORY=str(origin), REVISION="main", DVC_REMOTE=str(shared), S3_ENDPOINT="")
    assert done.returncode == 0, done.stderr
    subprocess.run([dvc, "pull", "-q", "data.dvc"], cwd=project, check=True, capture_output=True)
    assert (project / "data" / "photo.jpg").read_bytes() == b"a photo"


def test_a_repository_that_is_not_there_ends_the_training_at_once(tmp_path: Path) -> None:
    done = _checkout(tmp_path, REPOSITORY=str(tmp_path / "nowhere"), REVISION="main", DVC_REMOTE="s3://x/y")
    assert done.returncode != 0
    assert "nowhere" in done.stderr


@pytest.mark.parametrize("name", ["small", "large"])
def test_a_pod_does_not_serve_everybody_where_the_secret_is_missing(name: str) -> None:
    """REQUIRE_KEY: the service then ends with a sentence."""
    values = _settings(objects(name))
    assert values["REQUIRE_KEY"] == "true"
    with pytest.raises(SettingsError, match="there is no API_KEY"):
        settings.read({key.lower(): value for key, value in values.items()})


@pytest.mark.parametrize("name", ["small", "large"])
def test_probes_ask_a_port_of_their_own_to_which_nothing_public_leads(name: str) -> None:
    all_of_them = objects(name)
    container = _container(all_of_them)
    assert {probe["httpGet"]["port"] for probe in manifests.probes(container).values()} == {"probes"}
    for ingress in of_kind(all_of_them, "Ingress"):
        assert "probes" not in str(ingress["spec"])
