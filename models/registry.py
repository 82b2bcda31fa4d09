"""The model registry: a bundle becomes a version in MLflow that can be trusted, or it does not become one.

MLflow calls a version READY whose files were never uploaded. So publishing goes in steps, each of which can be
repeated, and the alias moves last:

    stage -> upload -> download and verify -> version -> download by version and verify -> tag -> alias

A publisher that was killed finds by digest what exists, and goes on from there. Errors are kept apart:

    Unavailable     the store is down
    UnknownModel    there is no model of this name
    UnknownVersion  the model has no such version or alias
    BundleRefused   files missing, another digest, or a version that was never verified
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import BundleRefused, NotFound

from .artifacts import fetch
from .cache import BundleCache, Step, no_step
from .files import MANIFEST, check_contents, is_digest, read_verified
from .locks import locked
from .manifest import Manifest, parse
from .tracking import Exists, Missing, Tracking

#: Tags of MLflow. ``verified`` is the one that counts: its value is the digest that was read back by version.
BUNDLE, VERIFIED, PUBLISHED, KIND = "tocsin.bundle", "verified", "tocsin.published", "tocsin.kind"
PRODUCTION = "production"
_FOLDER = "bundle"


class UnknownModel(NotFound):
    """The registry has no model of this name."""


class UnknownVersion(NotFound):
    """The model has no such version or alias."""


@dataclass(frozen=True)
class Version:
    """A version of a model, as the registry has it."""

    name: str
    number: str
    bundle: str
    run_id: str
    verified: bool
    published: bool


class Registry:
    """Publishes bundles from a cache and fetches them into it. One writer per bundle and machine."""

    def __init__(self, tracking: Tracking, cache: BundleCache, experiment: str, step: Step = no_step) -> None:
        self.tracking, self.cache, self._experiment, self._step = tracking, cache, experiment, step

    def publish(self, digest: str, name: str, alias: str = PRODUCTION) -> Version:
        """The version of the bundle ``digest`` of the cache; made when there is none, finished when half made.

        The alias moves once, when the version is published: a later rollback by hand stays.
        Raises NotFound when the bundle is not in the cache, BundleRefused when it or what came back is damaged,
        Unavailable when the store is down.
        """
        with self.tracking.lock, locked(self.cache.folder / ".publish.lock"):
            found = self.find(name, digest)
            if found is not None and found.published:
                return found
            if found is None or not found.verified:
                # Also for a version that is there: what it was made from may have been damaged since.
                run_id = self._uploaded(digest, name, parse(self.cache.files(digest)[MANIFEST]))
                found = found or self._created(name, digest, run_id)
                self._step("verify version")
                self._verify(self._location(found), digest)
                self._step("tag")
                self._tag(found, VERIFIED, digest)
            self._step("alias")
            client = self.tracking.client
            self.tracking.ask("move alias", client.set_registered_model_alias, name, alias, found.number)
            self._step("finish")
            self._tag(found, PUBLISHED, alias)
            return self._version(name, found.number)

    def find(self, name: str, digest: str) -> Version | None:
        """The version of a bundle under a name, verified or not."""
        if not is_digest(digest):
            raise BundleRefused(f"{digest[:80]!r} is not the digest of a bundle")
        where = f"name = '{_quoted(name)}' and tags.`{BUNDLE}` = '{digest}'"
        rows = self.tracking.ask("find version", self.tracking.client.search_model_versions, where, 100)
        # Publishers on two machines may both have made one: the first is the one that counts, for both.
        return min(map(_version, rows), key=lambda version: int(version.number), default=None)

    def holding(self, digest: str) -> list[Version]:
        """The published versions of a bundle, under whatever names."""
        where = f"tags.`{BUNDLE}` = '{digest}'"
        if not is_digest(digest):
            return []
        rows = self.tracking.ask("find version", self.tracking.client.search_model_versions, where, 100)
        return [version for version in map(_version, rows) if version.published]

    def versions(self, name: str) -> list[Version]:
        """All versions of a model, oldest first. Raises UnknownModel or Unavailable."""
        self._model(name)
        where = f"name = '{_quoted(name)}'"
        rows = self.tracking.ask("list versions", self.tracking.client.search_model_versions, where, 1000)
        return sorted(map(_version, rows), key=lambda version: int(version.number))

    def fetch(self, name: str, which: str = PRODUCTION) -> Path:
        """The folder in the cache of a version, by its number or alias; downloaded and verified when it is new.

        Raises UnknownModel, UnknownVersion, BundleRefused or Unavailable.
        """
        version = self.resolve(name, which)
        shown = f"model {name!r} version {version.number}"
        if not version.verified:
            mend = "Its publisher was interrupted; publishing the bundle again finishes it."
            raise BundleRefused(f"{shown} was never verified", mend=mend)
        if version.bundle in self.cache.list():
            # Bytes that have the digest are the bytes, wherever they came from.
            read_verified(self.cache.path(version.bundle), version.bundle)
            return self.cache.path(version.bundle)
        with self.tracking.lock:
            return self.cache.put_files(self._verify(self._location(version), version.bundle, shown))

    def resolve(self, name: str, which: str) -> Version:
        """The version that a number or an alias means now.

        Raises UnknownModel, UnknownVersion or Unavailable.
        """
        model = self._model(name)
        aliases: Mapping[str, Any] = model.aliases
        number = str(aliases.get(which, which))
        if not (number.isascii() and number.isdigit()):
            known = ", ".join(sorted(aliases)) or "none"
            raise UnknownVersion(f"model {name!r} has no alias {which!r}; it has: {known}")
        return self._version(name, number)

    def _model(self, name: str) -> Any:
        try:
            return self.tracking.ask("find model", self.tracking.client.get_registered_model, name)
        except Missing as error:
            raise UnknownModel(f"no model {name!r} in the registry at {self.tracking.store.shown}") from error

    def _version(self, name: str, number: str) -> Version:
        try:
            row = self.tracking.ask("find version", self.tracking.client.get_model_version, name, number)
        except Missing as error:
            raise UnknownVersion(f"model {name!r} has no version {number}") from error
        return _version(row)

    def _uploaded(self, digest: str, name: str, manifest: Manifest) -> str:
        """The run that holds the verified files of the bundle."""
        experiment = self.tracking.experiment(self._experiment)
        client = self.tracking.client
        rows = self.tracking.runs(experiment, f"tags.`{BUNDLE}` = '{digest}' and tags.`{KIND}` = 'bundle'")
        # The oldest: whoever else publishes this bundle takes the same one.
        run_id = min(((row.info.start_time, str(row.info.run_id)) for row in rows), default=(0, ""))[1]
        if not run_id:
            self._step("run")
            tags = {BUNDLE: digest, KIND: "bundle"}
            run_id = self.tracking.begin_run(experiment, f"{name} {digest[:12]}", tags)
        self._step("params")
        self.tracking.log(run_id, _params(manifest, digest), {}, 0)
        if not self._is_there(run_id, digest):
            self._step("upload")
            folder = str(self.cache.path(digest))
            self.tracking.ask("upload", client.log_artifacts, run_id, folder, _FOLDER)
            self._step("verify upload")
            self._verify(self._artifacts(run_id), digest)
        self._step("end run")
        self.tracking.ask("end run", client.set_terminated, run_id, "FINISHED")
        return run_id

    def _is_there(self, run_id: str, digest: str) -> bool:
        try:
            self._verify(self._artifacts(run_id), digest)
        except BundleRefused:
            return False
        return True

    def _created(self, name: str, digest: str, run_id: str) -> Version:
        """The first version of the bundle, made by us unless somebody else was faster."""
        client = self.tracking.client
        self._step("model")
        with suppress(Exists):
            self.tracking.ask("create model", client.create_registered_model, name)
        self._step("version")
        made = self.tracking.ask(
            "create version",
            client.create_model_version,
            name,
            self._artifacts(run_id),
            run_id,
            tags={BUNDLE: digest},
            await_creation_for=0,
        )
        self._step("created")
        first = self.find(name, digest)
        if first is not None and first.number != str(made.version):
            self.tracking.ask("delete version", client.delete_model_version, name, str(made.version))
            return first
        return _version(made)

    def _artifacts(self, run_id: str) -> str:
        run = self.tracking.ask("find run", self.tracking.client.get_run, run_id)
        return f"{str(run.info.artifact_uri).rstrip('/')}/{_FOLDER}"

    def _location(self, version: Version) -> str:
        call = self.tracking.client.get_model_version_download_uri
        return str(self.tracking.ask("locate version", call, version.name, version.number))

    def _verify(self, uri: str, digest: str, shown: str = "") -> dict[str, bytes]:
        """The files under ``uri``, which are the bundle ``digest``; raises BundleRefused when they are not."""
        try:
            files = fetch(self.tracking, uri, self.cache.folder)
            check_contents(files, digest)
        except BundleRefused as error:
            raise BundleRefused(f"{shown or uri}: {error.args[0]}", mend=error.mend) from error
        return files

    def _tag(self, version: Version, key: str, value: str) -> None:
        call = self.tracking.client.set_model_version_tag
        self.tracking.ask("tag version", call, version.name, version.number, key, value)


def _version(row: Any) -> Version:
    tags: Mapping[str, str] = row.tags
    digest = tags.get(BUNDLE, "")
    verified = is_digest(digest) and tags.get(VERIFIED) == digest
    return Version(
        name=str(row.name),
        number=str(row.version),
        bundle=digest,
        run_id=str(row.run_id or ""),
        verified=verified,
        published=verified and PUBLISHED in tags,
    )


def _params(manifest: Manifest, digest: str) -> dict[str, str]:
    return {
        "bundle": digest,
        "detector": manifest.detector.kind,
        "feature_set": manifest.feature_set_hash,
        "environment": manifest.environment_hash,
        "training": manifest.training.kind,
        "device": manifest.device,
    }


def _quoted(name: str) -> str:
    """For a filter, which has no escapes; raises BundleRefused for a name that could change its meaning."""
    if not name or len(name) > 200 or set("'\"`\\/:") & set(name) or not name.isprintable():
        raise BundleRefused(f"{name[:80]!r} cannot name a model")
    return name
