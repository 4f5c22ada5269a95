"""Print what this machine lacks for `make wheel`: C compiler, headers of Python. Nothing, if all is there."""

import os
import shlex
import shutil
import sysconfig

compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
header = os.path.join(sysconfig.get_path("include"), "Python.h")
missing = [
    *([] if shutil.which(compiler) else [f"C compiler ({compiler})"]),
    *([] if os.path.exists(header) else [header]),
]
if missing:
    print(" and no ".join(missing))
