"""Deployments of Prefect as code: what the files declare, held against what stands on a server, and made so.

    files ─ workspace ─ document ─ schema ─ layers ─ resolve ─ sources ─ signature ─ desired ┐
                                                                                             ├─ diff ─ plan ─ policy
    server ─ gateway ─ wire ─ observed ──────────────────────────────────────────────────────┘          │        │
                                                                         gateway ─ payload ─ apply ─────┴─ render┘

Read the modules in that order and they tell the story:

    problem, errors      a located fault; the exceptions and their exit codes
    model                what stands on a server, as data, and who owns each field
    document, traps      YAML text -> data and where each value stands; what YAML reads otherwise than it looks
    schema               the schemas' faults in plain words
    workspace            the repository's files
    layers               defaults, shared, area, environment -> one entry, each value with its origin
    schedule             timings: checked, explained, counted out
    pull, resolve        where the code is, for the worker that runs it and for us, who only read it
    sources              folders and git repositories as readable trees
    signature            a flow's name and parameters out of its text, never executed
    secrets              what looks like a secret, and its mask
    references           the variables and blocks that values name
    prefect_settings     the names of Prefect's settings, without its import
    desired, observed    the two states
    selection            what of a repository is acted on, and whose things may be taken over
    compare, diff        when values mean the same; what differs, and who changed it (fingerprint)
    trials, holds        copies that try a branch, and their mark; who paused what, and why
    keeping              the variables that the tool keeps on a server for itself
    side, automations    what differs of variables, secrets, limits and automations; an automation's names and ids
    building             images that are built before an apply, and what stands of them
    moving               into YAML from a server or a prefect.yaml, and out again
    plan, facts, policy  the plan as data; what must be known of the world; what is refused
    prune, renames       what goes, and what speaks against it; what looks like one deployment under another name
    payload, apply       the requests of a change (side_payload: of a variable, limit, automation); one after the other
    lock                 one apply at a time
    gateway              the door to the server
    render, commands     what people and machines see; what they can ask for
    cli                  arguments and exit codes
"""
