"""Read a manifest with the ecosystem's own code, and print the content or fail with its error.

python ecosystem_manifests.py KIND PATH, in an environment of its own (ecosystems.txt).
"""

import json
import sys
from pathlib import Path


def platformio(path: Path) -> object:
    """Read library.json or library.properties as PlatformIO's registry does."""
    from platformio.package.manifest.parser import ManifestParserFactory
    from platformio.package.manifest.schema import ManifestSchema

    # PlatformIO downloads the list of SPDX licences.
    ManifestSchema.load_spdx_licenses = staticmethod(
        lambda: {"licenses": [{"licenseId": "Apache-2.0"}]}
    )
    manifest = ManifestParserFactory.new_from_file(str(path)).as_dict()
    return ManifestSchema().load_manifest(manifest)


def esp_idf(path: Path) -> object:
    """Read idf_component.yml as strictly as for an upload to the registry."""
    from idf_component_tools.manager import ManifestManager, UploadMode

    manager = ManifestManager(path, "library", upload_mode=UploadMode.component)
    if not manager.is_valid:
        sys.exit("\n".join(manager.validation_errors))
    names = sorted(requirement.name for requirement in manager.manifest.raw_requirements)
    return {"version": str(manager.manifest.version), "dependencies": names}


def kconfig(path: Path) -> object:
    """Read the symbols of a Kconfig file and their prompts."""
    import kconfiglib

    parsed = kconfiglib.Kconfig(str(path), warn_to_stderr=False)
    if parsed.warnings:
        sys.exit("\n".join(parsed.warnings))
    return {symbol.name: symbol.nodes[0].prompt[0] for symbol in parsed.unique_defined_syms}


if __name__ == "__main__":
    kinds = {"platformio": platformio, "esp-idf": esp_idf, "kconfig": kconfig}
    print(json.dumps(kinds[sys.argv[1]](Path(sys.argv[2]))))
