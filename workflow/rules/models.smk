# Checkpoints: the micro bases (pinned or trained), or retrieved from a hub at a given revision.


if CFG.micro.base_weights == "pinned":

    rule base_pinned:
        # The committed weights, checked against their hashes.
        input:
            f"{CFG.micro.pinned}/{{model}}",
        output:
            directory(f"{OUT}/models/{{model}}"),
        log:
            f"{OUT}/logs/base_pinned.{{model}}.log",
        wildcard_constraints:
            model=CFG.sources("recipe"),
        localrule: True
        conda:
            "../../envs/finer.yaml"
        params:
            code=code("base-pinned"),
        shell:
            "python -m finer base-pinned --pinned {input} --out {output} 2> >(tee {log} >&2)"

else:

    rule base_train:
        input:
            instruct=lookup("models/{model}/instruct", within=PLAN),
            grown_from=lookup("models/{model}/grown_from", within=PLAN),
        output:
            directory(f"{OUT}/models/{{model}}"),
        log:
            f"{OUT}/logs/base_train.{{model}}.log",
        benchmark:
            f"{OUT}/benchmarks/base_train.{{model}}.tsv"
        wildcard_constraints:
            model=CFG.sources("recipe"),
        conda:
            software.conda("base_train")
        container:
            software.image("base_train")
        resources:
            **need("base_train"),
        params:
            code=code("base-train"),
            recipe=lookup("models/{model}/recipe", within=PLAN),
            checkpoints=f"{OUT}/training/{{model}}",
        shell:
            "python -m finer base-train --recipe {params.recipe} --instruct {input.instruct} --out {output}"
            " --checkpoints {params.checkpoints} 2> >(tee {log} >&2)"


rule retrieve_model:
    output:
        directory(f"{OUT}/models/{{model}}"),
    log:
        f"{OUT}/logs/retrieve_model.{{model}}.log",
    wildcard_constraints:
        model=CFG.sources("repo"),
    localrule: True
    conda:
        "../../envs/finer.yaml"
    params:
        repo=lookup("models/{model}/repo", within=PLAN),
        revision=lookup("models/{model}/revision", within=PLAN),
    shell:
        "python -m finer retrieve --repo {params.repo} --revision {params.revision} --out {output}"
        " 2> >(tee {log} >&2)"


rule retrieve_adapter:
    # Released adapters, merged into their base when it is loaded.
    output:
        directory(f"{OUT}/adapters/released/{{model}}"),
    log:
        f"{OUT}/logs/retrieve_adapter.{{model}}.log",
    wildcard_constraints:
        model=CFG.sources("adapter_repo"),
    localrule: True
    conda:
        "../../envs/finer.yaml"
    params:
        repo=lookup("models/{model}/adapter_repo", within=PLAN),
        revision=lookup("models/{model}/adapter_revision", within=PLAN),
    shell:
        "python -m finer retrieve --repo {params.repo} --revision {params.revision} --out {output}"
        " 2> >(tee {log} >&2)"


rule bases:
    # All micro models; with `micro: {base_weights: train}` they are trained first.
    input:
        [
            PLAN["models"][name]["path"]
            for name in CFG.models
            if PLAN["models"][name]["recipe"]
        ],
    localrule: True
