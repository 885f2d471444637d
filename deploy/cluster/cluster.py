"""One node of Kubernetes, each part a process of this machine: etcd, the control plane, kubelet with containerd, kube-proxy.

It has to be started as process 1 of namespaces of its own for processes, mounts, network and host name, as `try` does: there is no way out of its network, and
everything ends with it.
"""

import json
import os
import resource
import subprocess
import sys

from process import Gone, Process, check, log_path, until

NODE = "node"
ADDRESS = "10.88.0.1"
PODS = "10.88.1.0/24"
SERVICES = "10.96.0.0/16"
TOKEN = "of-the-trial"
# Where kube-proxy has its metrics.
METRICS = 10249


class Cluster:
    """A running cluster. `programs` is a folder with those of Kubernetes, `folder` what everything is kept in."""

    def __init__(self, programs, folder):
        self.programs, self.folder = programs, folder
        self.logs = self.made("logs")
        self.parts = []
        self.config = self.file("kubeconfig", kubeconfig())
        self.machine()

    def start(self, images):
        """Starts all parts, with images from archives, and waits until the node is ready."""
        self.start_containerd(images)
        self.start_control_plane()
        self.start_node()
        self.until("the node is ready", lambda: "True" in self.kubectl("get", "node", NODE, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}"), 120)
        self.until("there is a service account", lambda: self.kubectl("get", "serviceaccount", "default"), 60)

    def machine(self):
        """The network, folders, and those settings of the kernel that the kubelet would change."""
        for command in (
            "ip link set lo up",
            "ip link add node type veth peer name nowhere",
            "ip link set nowhere up",
            f"ip address add {ADDRESS}/24 dev node",
            "ip link set node up",
            f"ip route add default via {ADDRESS}",
            f"hostname {NODE}",
            "mount --make-rshared /",
            "mount -t tmpfs tmpfs /var/log",
            "mount -t tmpfs tmpfs /run",
            # Where the kubelet would leave its files, and where other containers of this machine may have theirs.
            "mkdir -p /var/lib/kubelet /var/lib/cni",
            "mount -t tmpfs tmpfs /var/lib/kubelet",
            "mount -t tmpfs tmpfs /var/lib/cni",
            "mkdir /run/lock",
        ):
            run(*command.split())
        # It finds what it wants, and so leaves the machine's as they are.
        for name, value in (("vm/overcommit_memory", 1), ("kernel/panic", 10), ("kernel/panic_on_oops", 1)):
            run("mount", "--bind", self.file(f"settings/{name}", f"{value}\n"), f"/proc/sys/{name}")

    def start_containerd(self, images):
        socket = os.path.join(self.folder, "containerd.sock")
        spec = json.loads(run("ctr", "oci", "spec"))
        # containerd's own figure may be beyond what this machine allows.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        spec["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "hard": most, "soft": 1024}]
        network = {
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [
                {
                    # Not a bridge: packets to a Service would pass one without becoming those of a pod, where it has no netfilter.
                    "type": "ptp",
                    "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}], "dataDir": self.made("addresses")},
                }
            ],
        }
        self.file("cni/10-pods.conflist", json.dumps(network))
        config = CONTAINERD.format(folder=self.folder, socket=socket, spec=self.file("spec.json", json.dumps(spec)))
        self.part("containerd", "--config", self.file("containerd.toml", config))
        self.containerd = ("ctr", "--address", socket, "--namespace", "k8s.io")
        until("containerd answers", lambda: subprocess.run([*self.containerd, "version"], capture_output=True, check=False).returncode == 0)
        for image in images:
            run(*self.containerd, "images", "import", image)

    def start_control_plane(self):
        self.part("etcd", "--data-dir", self.made("etcd"), "--log-level", "warn", "--unsafe-no-fsync")
        key, public = os.path.join(self.folder, "accounts.key"), os.path.join(self.folder, "accounts.pub")
        run("openssl", "genrsa", "-out", key, "2048")
        run("openssl", "rsa", "-in", key, "-pubout", "-out", public)
        certificates = self.made("certificates")
        tokens = self.file("tokens.csv", f'{TOKEN},admin,admin,"system:masters"\n')
        self.part(
            "kube-apiserver",
            *("--etcd-servers", "http://127.0.0.1:2379", "--advertise-address", ADDRESS, "--cert-dir", certificates),
            *("--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", public, "--service-account-signing-key-file", key),
            *("--service-cluster-ip-range", SERVICES, "--token-auth-file", tokens, "--authorization-mode", "RBAC", "--allow-privileged"),
            *("--kubelet-preferred-address-types", "InternalIP"),
        )
        self.until("the API is ready", lambda: self.kubectl("get", "--raw", "/readyz") == "ok", 120)
        shared = ("--kubeconfig", self.config, "--leader-elect=false", "--cert-dir", certificates)
        root = os.path.join(certificates, "apiserver.crt")
        self.part("kube-controller-manager", *shared, "--service-account-private-key-file", key, "--root-ca-file", root)
        # Its certificate is written to no file.
        self.part("kube-scheduler", *shared[:-2])

    def start_node(self):
        settings = {
            "kind": "KubeletConfiguration",
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs",
            "containerRuntimeEndpoint": f"unix://{self.folder}/containerd.sock",
            "enforceNodeAllocatable": [],
            "evictionHard": {"imagefs.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%"},
            "failSwapOn": False,
            "imageGCHighThresholdPercent": 100,
            "registerNode": True,
            # A changed Secret is in the pods after this time, in place of a minute.
            "syncFrequency": "5s",
            "volumePluginDir": self.made("plugins"),
        }
        config = self.file("kubelet.json", json.dumps(settings))
        named = ("--kubeconfig", self.config, "--hostname-override", NODE)
        self.part("kubelet", *named, "--config", config, "--node-ip", ADDRESS, "--cert-dir", self.made("kubelet"))
        # What belongs to the whole machine stays as it is.
        unchanged = ("--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0s", "--conntrack-tcp-timeout-close-wait=0s")
        self.part("kube-proxy", *named, "--cluster-cidr", PODS, "--metrics-bind-address", f"{ADDRESS}:{METRICS}", *unchanged)

    def until(self, what, look, seconds):
        """Waits, but not if a part has ended."""

        def alive():
            if ended := [part.name for part in self.parts if part.popen.poll() is not None]:
                raise Gone(f"{ended} ended before {what}")
            return look()

        return until(what, alive, seconds)

    def kubectl(self, *arguments, text=None):
        """What kubectl prints. Fails with what it says if it fails."""
        return run(os.path.join(self.programs, "kubectl"), "--kubeconfig", self.config, *arguments, text=text)

    def helm(self, *arguments):
        return run(os.path.join(self.programs, "helm"), "--kubeconfig", self.config, *arguments)

    def part(self, name, *arguments):
        own = os.path.join(self.programs, name)
        part = Process(name, [own if os.path.exists(own) else name, *arguments], log_path(self.logs, name))
        self.parts.append(part)
        return part

    def made(self, name):
        path = os.path.join(self.folder, name)
        os.makedirs(path, exist_ok=True)
        return path

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def tell(self):
        """Prints how each part ended, or what it said last."""
        for part in self.parts:
            print(f"-- {part.name}: {part.popen.poll()}", *part.tail(8), sep="\n  ", file=sys.stderr)


CONTAINERD = """
version = 2
root = "{folder}/containerd"
state = "{folder}/run"
disabled_plugins = ["io.containerd.internal.v1.opt"]

[grpc]
address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/pause:latest"
restrict_oom_score_adj = true
disable_hugetlb_controller = true
tolerate_missing_hugetlb_controller = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{folder}/cni"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
base_runtime_spec = "{spec}"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"""


def kubeconfig():
    cluster = {"server": "https://127.0.0.1:6443", "insecure-skip-tls-verify": True}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "trial", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": TOKEN}}],
            "contexts": [{"name": "trial", "context": {"cluster": "trial", "user": "admin"}}],
            "current-context": "trial",
        }
    )


def run(*command, text=None):
    """What a command prints. Fails with its errors if it fails."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    check(done.returncode == 0, f"{' '.join(command)[:300]}: status {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout
