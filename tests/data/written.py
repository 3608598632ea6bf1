"""Sets without images: what reads names and tables looks at no more."""

import json


def touch(folder, *names):
    """Files without content: a reader looks at names only."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def write_csv(file, text, encoding="utf-8"):
    file.write_text(text, encoding=encoding)
    return file


def write_json(file, content):
    file.write_text(json.dumps(content))
    return file


def column(lesions, name):
    return lesions.table[name].tolist()
