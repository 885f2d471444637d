"""schemas.py VERSION FILE…: holds manifests against the schemas of a Kubernetes release, strictly."""

import sys

import kubernetes_validate
import yaml

version, paths = sys.argv[1], sys.argv[2:]
count = failures = 0
for path in paths:
    with open(path, encoding="utf-8") as file:
        for manifest in yaml.safe_load_all(file):
            # The Prometheus operator's types are not Kubernetes' own; the Go check decodes them.
            if not manifest or manifest["apiVersion"].startswith("monitoring.coreos.com/"):
                continue
            count += 1
            try:
                kubernetes_validate.validate(manifest, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                failures += 1
                where = ".".join(str(step) for step in error.path)
                print(f"FAIL {path}: {manifest['kind']} {manifest['metadata']['name']}: {where}: {error.message}")
if not count:
    sys.exit("no manifest at all")
print(f"{'FAIL' if failures else 'ok  '} Kubernetes {version}: {count} manifests, {failures} failures")
sys.exit(bool(failures))
