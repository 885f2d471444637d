"""What happens to the proxy in a cluster: installed by the chart and by the manifests, replaced, killed, evicted, given other secrets, and back on its volume."""

import json
import os
import re
import sys
import urllib.request

from cluster import ADDRESS, METRICS, NODE, Cluster, run
from peers.prometheus import Prometheus
from ports import free_port
from process import Failure, Process, check, log_path, until

IMAGE = "localhost/prometheus-rsocket-cluster"
NAMESPACE = "monitoring"
SELECTED = ("-l", "app=prometheus-proxy")
RELAYS = 4
JOBS = 10
# Of the times of a stop those that an operator would choose larger.
STOPPING = ("stopping.drainSpreadSeconds=5", "stopping.pushLingerSeconds=10")


class Pods:
    """The pods of the proxy in a namespace, and what they answer."""

    def __init__(self, cluster, namespace):
        self.cluster, self.namespace = cluster, namespace

    def kubectl(self, *arguments, text=None):
        return self.cluster.kubectl("--namespace", self.namespace, *arguments, text=text)

    def all(self):
        return {pod["metadata"]["name"]: pod for pod in json.loads(self.kubectl("get", "pods", *SELECTED, "-o", "json"))["items"]}

    def ready(self):
        """Names and addresses of those that are ready and stay."""
        return {name: pod["status"]["podIP"] for name, pod in self.all().items() if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]}

    def await_ready(self, seconds=90):
        return until("two pods are ready", lambda: len(found := self.ready()) == 2 and found, seconds)

    def scrape(self):
        """The metrics of the applications of all pods, also of those that are about to end, as Prometheus finds them."""
        return "".join(get(address, "/metrics/connected") for pod in self.all().values() if (address := pod["status"].get("podIP")))

    def await_relays(self):
        until(f"{RELAYS} relays are scraped", lambda: len(relays(self.scrape())) == RELAYS, 60)

    def service(self):
        return self.kubectl("get", "service", "prometheus-proxy", "-o", "jsonpath={.spec.clusterIP}")

    def logs(self):
        return "".join(self.kubectl("logs", name) for name in self.all())


def is_ready(pod):
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in pod["status"].get("conditions", ()))


def get(address, path):
    try:
        with urllib.request.urlopen(f"http://{address}:8080{path}", timeout=10) as answer:
            return answer.read().decode()
    except OSError:
        return ""  # It is being replaced.


def relays(text):
    return set(re.findall(r'^prometheus_proxy_app_up\{.*instance="(relay-[^"]*)".*\} 1$', text, re.MULTILINE))


def jobs(text):
    return set(re.findall(r'^rows_total\{.*job="([^"]*)"', text, re.MULTILINE))


def key_of(address):
    return re.search(r'prometheus_proxy_key_info\{.*sha256="([0-9a-f]*)"', get(address, "/metrics/proxy"))[1]


class Trial:
    def __init__(self, cluster, programs):
        self.cluster, self.programs = cluster, programs
        self.pods = Pods(cluster, NAMESPACE)

    def chart(self, command, *values):
        """Installs or upgrades the release."""
        values = [f"image.repository={IMAGE}-proxy", "image.tag=latest", *STOPPING, *values]
        options = [option for value in values for option in ("--set", value)]
        self.cluster.helm(command, "proxy", "deploy/helm", "--namespace", NAMESPACE, "--create-namespace", "--wait", "--timeout", "3m", *options)

    def push(self, address, *names):
        """Pushes the last metrics of jobs by the relay, on the node."""
        program = os.path.join(self.programs, "prometheus-rsocket-client")
        for name in names:
            run(program, "--proxy", f"tcp://{address}:7001", "--label", f"job={name}", "--once", "--stdin", text="rows_total 5\n")

    def installed(self):
        """The chart is installed; relays in pods find the proxy by its Service, and are scraped."""
        self.chart("install")
        self.pods.kubectl("apply", "-f", "-", text=json.dumps(relay_deployment()))
        self.pods.await_relays()
        check(not re.search('"level":"(WARN|ERROR)"', self.pods.logs()), f"no pod complains: {self.pods.logs()}")

    def replaced(self):
        """Pods are replaced by those with another configuration: Prometheus has every push, all relays are with the new ones, and the old ones end with 0."""
        old = self.pods.ready()
        command = [os.path.join(self.cluster.programs, "kubectl"), "--kubeconfig", self.cluster.config, "--namespace", NAMESPACE]
        watched = Process("watch", [*command, "get", "pods", *SELECTED, "--watch", "-o", "json"], log_path(self.cluster.logs, "watch"))
        with Finder(self.cluster) as prometheus:
            prometheus.expect(f'sum(prometheus_proxy_app_up{{application="relay",namespace="{NAMESPACE}"}})', RELAYS, 60)
            prometheus.expect('count(count by (pod) (prometheus_proxy_scrape_active_connections{job="proxy"}))', 2, 60)
            self.push(self.pods.service(), *(f"replaced-{number}" for number in range(JOBS)))
            self.chart("upgrade", "config=max-held-pushes = 12345")
            until("the old pods are gone", lambda: not old.keys() & self.pods.all().keys(), 90)
            self.pods.await_relays()
            prometheus.expect('count(count_over_time(rows_total{job=~"replaced-.*"}[10m]))', JOBS, 60)
            prometheus.expect('sum(prometheus_proxy_app_up{application="relay"})', RELAYS, 60)
        watched.close()
        ends = re.findall(r'"exitCode": (\d+)', "\n".join(watched.lines()))
        check(ends and set(ends) == {"0"}, f"the old pods end with 0, and not {ends}")
        check("12345" in get(next(iter(self.pods.ready().values())), "/status.json"), "the configuration is in use")

    def killed(self):
        """A proxy is killed: its container comes back with the push that nobody had yet."""
        name, address = next(iter(self.pods.ready().items()))
        self.push(address, "killed")
        (container,) = self.pods.all()[name]["status"]["containerStatuses"]
        run(*self.cluster.containerd, "tasks", "kill", "--signal", "SIGKILL", container["containerID"].removeprefix("containerd://"))
        until("the container was started again", lambda: self.pods.all()[name]["status"]["containerStatuses"][0]["restartCount"] == 1, 60)
        self.pods.await_ready()
        check("killed" in jobs(get(address, "/metrics/connected")), "the push has survived")
        self.pods.await_relays()

    def evicted(self):
        """One pod may be evicted, the second not before there are two again."""
        first, second = self.pods.ready()
        self.evict(first)
        try:
            self.evict(second)
        except Failure as error:
            check("disruption budget" in str(error), f"the budget is the reason: {error}")
        else:
            raise Failure("both pods could be evicted")
        until("the evicted pod is gone", lambda: first not in self.pods.all(), 90)
        self.pods.await_ready()
        self.pods.await_relays()

    def evict(self, name):
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}}
        self.pods.kubectl("create", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/eviction", "-f", "-", text=json.dumps(eviction))

    def secrets(self):
        """All pods have the key of a Secret; a changed Secret of credentials is in use after a while."""
        key = run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
        self.secret("key", "key.pem", key)
        self.secret("credentials", "auth.toml", credentials("orders"))
        self.chart("upgrade", "keySecret.name=key", "authSecret.name=credentials")
        addresses = self.pods.await_ready().values()
        check(len({key_of(address) for address in addresses}) == 1, "both pods have the same key")
        self.secret("credentials", "auth.toml", credentials("orders", "shipping"))
        until("both pods use the changed Secret", lambda: self.pods.logs().count("--auth-file has changed and is in use") == 2, 60)
        self.secret("credentials", "auth.toml", "[[application]]\nname = 5\n")
        until("both pods refuse a wrong one", lambda: self.pods.logs().count("what it said before counts") == 2, 60)
        self.pods.await_relays()

    def secret(self, name, file, text):
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {file: text}}
        self.pods.kubectl("apply", "-f", "-", text=json.dumps(secret))

    def uninstalled(self):
        """Nothing of the release is left."""
        self.cluster.helm("uninstall", "proxy", "--namespace", NAMESPACE, "--wait", "--timeout", "3m")
        until("its pods are gone", lambda: not self.pods.all(), 90)
        left = self.pods.kubectl("get", "all,pdb,networkpolicy,configmap,serviceaccount", *SELECTED, "-o", "name")
        check(not left, f"what is left: {left}")

    def with_deployment(self):
        """The plain manifests, and the optional ones that need no operator."""
        pods = self.applied("with-deployment")
        for name in ("hpa.yaml", "service-external.yaml"):
            pods.kubectl("apply", "-f", f"deploy/kubernetes/optional/{name}")
        self.push(pods.service(), "deployed")
        check(jobs(pods.scrape()) == {"deployed"}, "a push by the Service is served")

    def with_volume(self):
        """A pod that is deleted comes back with its key and with the push that nobody had yet."""
        self.cluster.kubectl("apply", "-f", "-", text=json.dumps(volumes(self.cluster)))
        pods = self.applied("with-volume")
        name, address = next(iter(pods.ready().items()))
        key = key_of(address)
        self.push(address, "stored")
        pods.kubectl("delete", "pod", name, "--wait", "--timeout", "90s")
        address = pods.await_ready()[name]
        check(key_of(address) == key, "its key is the same")
        check(jobs(get(address, "/metrics/connected")) == {"stored"}, "it has the push")

    def applied(self, folder):
        """Applies a folder of manifests with the image of this trial, in a namespace of its own."""
        self.cluster.kubectl("create", "namespace", folder)
        base = os.path.relpath(f"deploy/kubernetes/{folder}", os.path.join(self.cluster.folder, folder))
        image = {"name": "registry.example.org/prometheus-rsocket-proxy", "newName": f"{IMAGE}-proxy", "newTag": "latest"}
        kustomization = {"kind": "Kustomization", "namespace": folder, "resources": [base], "images": [image]}
        path = self.cluster.file(f"{folder}/kustomization.yaml", json.dumps(kustomization))
        self.cluster.kubectl("apply", "-k", os.path.dirname(path))
        pods = Pods(self.cluster, folder)
        pods.await_ready()
        return pods


class Finder(Prometheus):
    """A server with the configuration of deploy/prometheus, but for how it reaches the API and how often it scrapes."""

    def __init__(self, cluster):
        with open("deploy/prometheus/kubernetes.yaml", encoding="utf-8") as file:
            text = file.read()
        text = text.replace("      - role: pod\n        namespaces", f"      - role: pod\n        kubeconfig_file: {cluster.config}\n        namespaces")
        text = text.replace("15s", "2s").replace("10s", "2s")
        program, self.port = os.path.join(cluster.programs, "prometheus"), free_port()
        command = [program, "--config.file", cluster.file("prometheus.yaml", text), "--storage.tsdb.path", cluster.made("prometheus")]
        self.process = Process("prometheus", [*command, "--web.listen-address", f"127.0.0.1:{self.port}"], log_path(cluster.logs, "prometheus"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.close()


def relay_deployment():
    """Relays that are applications: each has the metrics of kube-proxy. They find the Service by the variables that Kubernetes gives to pods."""
    proxy = "tcp://$(PROMETHEUS_PROXY_SERVICE_HOST):$(PROMETHEUS_PROXY_SERVICE_PORT_RSOCKET)"
    metrics = f"http://{ADDRESS}:{METRICS}/metrics"
    container = {
        "name": "relay",
        "image": f"{IMAGE}-relay:latest",
        "imagePullPolicy": "Never",
        "args": ["--proxy", proxy, "--scrape", metrics, "--label", "application=relay", "--label", "instance=$(POD)"],
        "env": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
    }
    labels = {"app": "relay"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": RELAYS, "selector": {"matchLabels": labels}, "template": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "relay"}, "spec": spec}


def credentials(*names):
    hashes = {name: f"{number:064x}" for number, name in enumerate(names, 1)}
    return "".join(f'[[application]]\nname = "{name}"\ntoken_sha256 = "{of_token}"\nlabels = {{ application = "{name}" }}\n' for name, of_token in hashes.items())


def volumes(cluster):
    """Two volumes on the node's disk, in a class that is the default."""
    kind = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "here", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    items = [kind]
    for number in range(2):
        here = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}]}
        spec = {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOncePod"],
            "storageClassName": "here",
            "local": {"path": cluster.made(f"volume-{number}")},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [here]}},
        }
        items.append({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"volume-{number}"}, "spec": spec})
    return {"apiVersion": "v1", "kind": "List", "items": items}


def main(programs_of_kubernetes, programs, folder):
    cluster = Cluster(programs_of_kubernetes, os.path.join(folder, "cluster"))
    trial = Trial(cluster, programs)
    parts = (trial.installed, trial.replaced, trial.killed, trial.evicted, trial.secrets, trial.uninstalled, trial.with_deployment, trial.with_volume)
    images = [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".tar")]
    try:
        cluster.start(images)
        for part in parts:
            print(f"== {part.__name__.replace('_', ' ')}: {part.__doc__}")
            part()
    except Failure as error:
        cluster.tell()
        sys.exit(f"FAIL {error}")
    print("== done")


if __name__ == "__main__":
    main(*sys.argv[1:])
