"""docker, podman or buildah: build an image from a context, write it as a docker archive."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from layout import run


@dataclass(frozen=True)
class Builder:
    """One of the three programs; each takes the same Containerfiles."""

    program: str
    build_words: tuple[str, ...] = ("build",)
    env: dict[str, str] = field(default_factory=dict)

    def build(
        self, image: str, containerfile: Path, context: Path, arguments: dict[str, str]
    ) -> None:
        """Build and tag an image, without a pull of present images."""
        command = [self.program, *self.build_words, "-f", str(containerfile), "-t", image]
        for name, value in arguments.items():
            command += ["--build-arg", f"{name}={value}"]
        run([*command, str(context)], quiet=True, env=os.environ | self.env)

    def save(self, image: str, archive: Path) -> None:
        """Write the image as a docker archive that docker, podman, kind and containerd take."""
        archive.unlink(missing_ok=True)
        if self.program == "buildah":
            command = ["buildah", "push", "-q", image, f"docker-archive:{archive}:{image}"]
        elif self.program == "podman":
            options = ["--format", "docker-archive", "-o", str(archive)]
            command = ["podman", "save", "-q", *options, image]
        else:
            command = ["docker", "save", "-o", str(archive), image]
        run(command, quiet=True, env=os.environ | self.env)


def detect(wanted: str | None) -> Builder:
    """Return the named builder, else the first of docker, podman and buildah that works."""
    for program in [wanted] if wanted else ["docker", "podman", "buildah"]:
        if shutil.which(program) is None:
            continue
        if program == "docker":
            info = subprocess.run(["docker", "info"], capture_output=True, check=False)
            if info.returncode:
                continue  # the client without its daemon
        if program == "buildah":
            limits = [
                # buildah raises both to its defaults, which a container may refuse
                f"--ulimit={name}={soft}:{hard}"
                for name, (soft, hard) in {
                    "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
                    "nproc": resource.getrlimit(resource.RLIMIT_NPROC),
                }.items()
            ]
            words = ("bud", "-q", "--layers", "--pull-never", *limits)
            return Builder("buildah", words, {"BUILDAH_ISOLATION": "chroot"})
        return Builder(program)
    what = f"{wanted} does not work" if wanted else "none of docker, podman and buildah works"
    raise SystemExit(f"images: {what} here. Run apt-get install buildah netavark.")
