"""Rules for what the schemas of Kubernetes don't see.

Each takes the objects of one kustomization and says what is wrong, a sentence each; an empty list is fine.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from service.http.routes import open_router, router
from service.settings import Settings
from tests.deploy.manifests import (
    ROOT,
    SERVICE_IMAGE,
    TRAINING_IMAGE,
    Object,
    containers,
    holds,
    image,
    labels_of,
    named,
    objects,
    of_kind,
    pods,
    probes,
    quantity,
    variables,
)


def _selectors(all_of_them: Sequence[Object]) -> Iterator[tuple[Object, dict[str, str]]]:
    """Objects that choose pods by label, and the labels that they want."""
    for each in all_of_them:
        spec = each.get("spec", {})
        match each["kind"]:
            case "Service" if spec.get("selector"):
                yield each, spec["selector"]
            case "PodDisruptionBudget" | "Deployment":
                yield each, spec["selector"]["matchLabels"]
            case "NetworkPolicy":
                yield each, spec["podSelector"]["matchLabels"]
    for each, pod in pods(all_of_them):
        for constraint in pod["spec"].get("topologySpreadConstraints", []):
            yield each, constraint["labelSelector"]["matchLabels"]


def selectors_match(all_of_them: Sequence[Object]) -> list[str]:
    """Every selector chooses the pods of exactly one object, also where training runs in the same namespace."""
    everywhere = [*pods(all_of_them), *pods(objects("training")), *pods(objects("small"))]
    found = []
    for each, wanted in _selectors(all_of_them):
        chosen = {named(owner) for owner, pod in everywhere if holds(labels_of(pod), wanted)}
        if len(chosen) != 1:
            found.append(f"{named(each)} selects {sorted(chosen) or 'nothing'} by {wanted}")
    return found


def ports_match(all_of_them: Sequence[Object]) -> list[str]:
    """Services, Ingress, probes, policies and monitors name ports that are there."""
    offered = {p["name"] for _, pod in pods(all_of_them) for c in containers(pod) for p in c.get("ports", [])}
    services = {each["metadata"]["name"]: each for each in of_kind(all_of_them, "Service")}
    found = []
    for name, each in services.items():
        if each["spec"].get("selector"):
            lost = {port["targetPort"] for port in each["spec"]["ports"]} - offered
            found += [f"Service {name} leads to port {port}, which no container has" for port in lost]
    for each in of_kind(all_of_them, "Ingress"):
        for rule in each["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                to = path["backend"]["service"]
                has = services.get(to["name"], {"spec": {"ports": []}})["spec"]["ports"]
                if to["port"]["name"] not in {port["name"] for port in has}:
                    found.append(f"{named(each)} sends {path['path']} to {to}, which is not there")
    for each in of_kind(all_of_them, "NetworkPolicy"):
        let_in = [p["port"] for rule in each["spec"].get("ingress", []) for p in rule["ports"]]
        found += [f"{named(each)} lets in port {port}, which no container has" for port in set(let_in) - offered]
    for each in of_kind(all_of_them, "ServiceMonitor"):
        wanted = each["spec"]["selector"]["matchLabels"]
        seen = [s for s in services.values() if holds(labels_of(s), wanted)]
        ports = {port["name"] for s in seen for port in s["spec"]["ports"]}
        if len(seen) != 1 or not {end["port"] for end in each["spec"]["endpoints"]} <= ports:
            found.append(f"{named(each)} finds {[named(s) for s in seen]} with ports {sorted(ports)}")
    for each, pod in pods(all_of_them):
        for container in containers(pod):
            own = {port["name"] for port in container.get("ports", [])}
            probed = {probe["httpGet"]["port"] for probe in probes(container).values()}
            found += [f"{named(each)} probes port {port}, which it has not" for port in probed - own]
    return found


def mounts_have_volumes(all_of_them: Sequence[Object]) -> list[str]:
    """Every mount has a volume, every volume a mount and, where it is one, its ConfigMap or claim."""
    there = {(each["kind"], each["metadata"]["name"]) for each in all_of_them}
    found = []
    for each, pod in pods(all_of_them):
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        mounted = {mount["name"] for c in containers(pod) for mount in c.get("volumeMounts", [])}
        found += [f"{named(each)}: {name} is mounted and no volume" for name in mounted - volumes.keys()]
        found += [f"{named(each)}: volume {name} is mounted nowhere" for name in volumes.keys() - mounted]
        for volume in volumes.values():
            config, claim = volume.get("configMap"), volume.get("persistentVolumeClaim")
            if config and ("ConfigMap", config["name"]) not in there:
                found.append(f"{named(each)}: no ConfigMap {config['name']}")
            if claim and ("PersistentVolumeClaim", claim["claimName"]) not in there:
                found.append(f"{named(each)}: no PersistentVolumeClaim {claim['claimName']}")
            if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
                found.append(f"{named(each)}: volume {volume['name']} may fill the node's disk")
        for container in containers(pod):
            wanted = {s["configMapRef"]["name"] for s in container.get("envFrom", []) if "configMapRef" in s}
            lost = {name for name in wanted if ("ConfigMap", name) not in there}
            found += [f"{named(each)}: no ConfigMap {name}" for name in lost]
    return found


def requests_are_within_limits(all_of_them: Sequence[Object]) -> list[str]:
    """Every container asks for processor and memory, and for no more than it may use."""
    found = []
    for each, pod in pods(all_of_them):
        for container in containers(pod):
            asked = container.get("resources", {}).get("requests", {})
            allowed = container.get("resources", {}).get("limits", {})
            what = f"{named(each)}, container {container['name']}"
            found += [f"{what} has no request of {name}" for name in {"cpu", "memory"} - asked.keys()]
            found += [f"{what} has no limit of {name}" for name in {"cpu", "memory"} - allowed.keys()]
            found += [
                f"{what} asks for more {name} than it may use"
                for name in asked.keys() & allowed.keys()
                if quantity(asked[name]) > quantity(allowed[name])
            ]
    return found


def routes() -> set[str]:
    """The addresses of the application."""
    return {getattr(route, "path", "") for route in (*router.routes, *open_router.routes)}


def paths_are_routes(all_of_them: Sequence[Object]) -> list[str]:
    """What probes, monitors and exact paths of the Ingress ask for is an address of the application."""
    asked = [
        (f"{named(each)}, {name}", probe["httpGet"]["path"])
        for each, pod in pods(all_of_them)
        for container in containers(pod)
        for name, probe in probes(container).items()
    ]
    asked += [(named(m), end["path"]) for m in of_kind(all_of_them, "ServiceMonitor") for end in m["spec"]["endpoints"]]
    for each in of_kind(all_of_them, "Ingress"):
        paths = [path for rule in each["spec"]["rules"] for path in rule["http"]["paths"]]
        asked += [(named(each), path["path"]) for path in paths if path["pathType"] == "Exact"]
    return [f"{who} asks for {path}, which is no route" for who, path in asked if path not in routes()]


def variables_are_settings(all_of_them: Sequence[Object]) -> list[str]:
    """The service gets settings that it has, with values that it takes; the training what its programs read."""
    read = set(re.findall(r"\$\{?([A-Z][A-Z0-9_]+)", (ROOT / "deploy/k8s/training/checkout.sh").read_text()))
    found = []
    for each, pod in pods(all_of_them):
        for container in containers(pod):
            given = variables(all_of_them, container)
            if image(container)[0] == SERVICE_IMAGE:
                unknown = {name for name in given if name.lower() not in Settings.model_fields}
                found += [f"{named(each)} sets {name}, which is no setting" for name in sorted(unknown)]
                if not unknown:  # its errors name the value
                    values = {name.lower(): value for name, value in given.items() if value}
                    Settings.model_validate(values | {"api_key": "in-the-secret-api"})
            else:
                unknown = set(given) - read - {"MLFLOW_TRACKING_URI"}
                found += [f"{named(each)} sets {name}, which nothing reads" for name in sorted(unknown)]
    return found


def images_are_ours(all_of_them: Sequence[Object]) -> list[str]:
    """Every container runs an image of this project, of a version rather than `latest`, which changes by itself."""
    found = []
    for each, pod in pods(all_of_them):
        for container in containers(pod):
            name, tag = image(container)
            if name not in (SERVICE_IMAGE, TRAINING_IMAGE) or not re.fullmatch(r"\d+\.\d+\.\d+", tag):
                found.append(f"{named(each)} runs {container['image']}")
    return found


def pods_are_hardened(all_of_them: Sequence[Object]) -> list[str]:
    """Not root, nothing writable but volumes, no capability, no token of the cluster, the runtime's seccomp profile."""
    found = []
    for each, pod in pods(all_of_them):
        spec, context = pod["spec"], pod["spec"]["securityContext"]
        ok = {
            "runs as root": context.get("runAsNonRoot") and context.get("runAsUser", 0) > 0,
            "has no seccomp profile": context.get("seccompProfile", {}).get("type") == "RuntimeDefault",
            "gets a token of the cluster": spec.get("automountServiceAccountToken") is False,
            "gets the cluster's variables": spec.get("enableServiceLinks") is False,
        }
        for container in containers(pod):
            own = container.get("securityContext", {})
            ok[f"{container['name']} writes to its file system"] = own.get("readOnlyRootFilesystem")
            ok[f"{container['name']} keeps capabilities"] = own.get("capabilities") == {"drop": ["ALL"]}
            ok[f"{container['name']} may get more rights"] = own.get("allowPrivilegeEscalation") is False
        found += [f"{named(each)} {what}" for what, fine in ok.items() if not fine]
    return found


def updates_have_no_gap(all_of_them: Sequence[Object]) -> list[str]:
    """A new pod is ready before an old one goes, which gets the time that the service takes to stop."""
    found = []
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in of_kind(all_of_them, "HorizontalPodAutoscaler")}
    for each in of_kind(all_of_them, "Deployment"):
        spec = each["spec"]
        pod = spec["template"]["spec"]
        if str(spec["strategy"]["rollingUpdate"]["maxUnavailable"]) != "0":
            found.append(f"{named(each)} takes a pod away before the next is ready")
        if each["metadata"]["name"] in scaled and "replicas" in spec:
            found.append(f"{named(each)} has replicas, which the autoscaler sets")
        for container in pod["containers"]:
            given = variables(all_of_them, container)
            stops = float(given["DRAIN_S"] or 0) + float(given["GRACE_S"] or 0)
            leads = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            probe = container["readinessProbe"]
            if leads + stops + 1 > pod["terminationGracePeriodSeconds"]:
                found.append(f"{named(each)} is killed before it has stopped by itself")
            if probe["periodSeconds"] * probe["failureThreshold"] > leads:
                found.append(f"{named(each)} stops before readiness could have said so")
    return found


RULES: tuple[Callable[[Sequence[Object]], list[str]], ...] = (
    selectors_match,
    ports_match,
    mounts_have_volumes,
    requests_are_within_limits,
    paths_are_routes,
    variables_are_settings,
    images_are_ours,
    pods_are_hardened,
    updates_have_no_gap,
)
