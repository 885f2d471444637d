"""Asks a proxy whether it knows the arguments of the pods in rendered manifests, and the configuration files that are mounted there."""

import os
import subprocess
import sys
import tempfile

import yaml

CONFIG = "--config="


def main(proxy, paths):
    for path in paths:
        with open(path, encoding="utf-8") as file:
            objects = [found for found in yaml.safe_load_all(file) if found]
        texts = [found["data"]["config.toml"] for found in objects if found["kind"] == "ConfigMap" and "config.toml" in found["data"]]
        pods = [found["spec"]["template"]["spec"] for found in objects if found["kind"] in ("Deployment", "StatefulSet")]
        for container in (container for pod in pods for container in pod["containers"]):
            said = accepted(proxy, container["args"], texts)
            print(f"ok {os.path.basename(path)}: {len(container['args'])} arguments, {said} settings of a file")


def accepted(proxy, arguments, texts):
    """Fails unless the proxy takes the arguments; gives how many settings of a file have effect."""
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "config.toml")
        names_a_file = any(argument.startswith(CONFIG) for argument in arguments)
        if names_a_file != bool(texts):
            sys.exit(f"FAIL {len(texts)} configuration files are mounted, and the arguments are {arguments}")
        for text in texts:
            with open(file, "w", encoding="utf-8") as output:
                output.write(text)
        here = [CONFIG + file if argument.startswith(CONFIG) else argument for argument in arguments]
        done = subprocess.run([proxy, *here, "--print-config"], capture_output=True, text=True, env={}, check=False)
    if done.returncode != 0:
        sys.exit(f"FAIL the proxy refuses {arguments}: {done.stderr}")
    return done.stdout.count(f'"{file}"')


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
