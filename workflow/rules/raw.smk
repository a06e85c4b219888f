# The micro world, written in the official raw file formats; with `world: null` the official files are retrieved or given.


rule world_comprecap:
    output:
        annotations=f"{OUT}/raw/comprecap_{{pool}}/anno.json",
        images=directory(f"{OUT}/raw/comprecap_{{pool}}/images"),
        manifest=f"{OUT}/raw/comprecap_{{pool}}/scenes.csv",
        truth=f"{OUT}/raw/truth/comprecap_{{pool}}.parquet",
    log:
        f"{OUT}/logs/world_comprecap.{{pool}}.log",
    benchmark:
        f"{OUT}/benchmarks/world_comprecap.{{pool}}.tsv"
    wildcard_constraints:
        pool="test|dev",
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("world_comprecap"),
    params:
        code=code("world-comprecap"),
        config=CFG.part("seed", "world"),
    shell:
        "python -m finer world-comprecap --config {params.config:q} --pool {wildcards.pool}"
        " --annotations {output.annotations} --truth {output.truth}"
        " 2> >(tee {log} >&2)"


rule world_docci:
    output:
        descriptions=f"{OUT}/raw/docci_{{pool}}/docci_descriptions.jsonlines",
        images=directory(f"{OUT}/raw/docci_{{pool}}/images"),
        manifest=f"{OUT}/raw/docci_{{pool}}/scenes.csv",
        truth=f"{OUT}/raw/truth/docci_{{pool}}.parquet",
    log:
        f"{OUT}/logs/world_docci.{{pool}}.log",
    benchmark:
        f"{OUT}/benchmarks/world_docci.{{pool}}.tsv"
    wildcard_constraints:
        pool="test|dev",
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("world_docci"),
    params:
        code=code("world-docci"),
        config=CFG.part("seed", "world"),
    shell:
        "python -m finer world-docci --config {params.config:q} --pool {wildcards.pool}"
        " --descriptions {output.descriptions} --truth {output.truth}"
        " 2> >(tee {log} >&2)"


rule world_pixmo:
    output:
        captions=f"{OUT}/raw/pixmo_{{pool}}/captions.parquet",
        images=directory(f"{OUT}/raw/pixmo_{{pool}}/images"),
        manifest=f"{OUT}/raw/pixmo_{{pool}}/scenes.csv",
    log:
        f"{OUT}/logs/world_pixmo.{{pool}}.log",
    benchmark:
        f"{OUT}/benchmarks/world_pixmo.{{pool}}.tsv"
    wildcard_constraints:
        pool="tuning|tuning_dev",
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("world_pixmo"),
    params:
        code=code("world-pixmo"),
        config=CFG.part("seed", "world"),
    shell:
        "python -m finer world-pixmo --config {params.config:q} --pool {wildcards.pool}"
        " --captions {output.captions}"
        " 2> >(tee {log} >&2)"


rule world_instruct:
    output:
        instruct=f"{OUT}/raw/instruct/{{pool}}.parquet",
        manifest=f"{OUT}/raw/instruct/{{pool}}.scenes.csv",
    log:
        f"{OUT}/logs/world_instruct.{{pool}}.log",
    benchmark:
        f"{OUT}/benchmarks/world_instruct.{{pool}}.tsv"
    wildcard_constraints:
        pool="base|verifier",
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("world_instruct"),
    params:
        code=code("world-instruct"),
        config=CFG.part("seed", "world"),
    shell:
        "python -m finer world-instruct --config {params.config:q} --pool {wildcards.pool}"
        " --out {output.instruct} --manifest {output.manifest} 2> >(tee {log} >&2)"


rule world_check:
    # No scene may be in two pools: neither model nor threshold nor recipe has seen what it is tested on.
    input:
        [f"{OUT}/raw/comprecap_test/scenes.csv", f"{OUT}/raw/comprecap_dev/scenes.csv"],
        [f"{OUT}/raw/docci_test/scenes.csv"],
        expand(f"{OUT}/raw/pixmo_{{pool}}/scenes.csv", pool=["tuning", "tuning_dev"]),
        expand(f"{OUT}/raw/instruct/{{pool}}.scenes.csv", pool=["base", "verifier"]),
    output:
        f"{OUT}/raw/disjoint.csv",
    log:
        f"{OUT}/logs/world_check.log",
    benchmark:
        f"{OUT}/benchmarks/world_check.tsv"
    localrule: True
    conda:
        "../../envs/finer.yaml"
    params:
        code=code("world-check"),
    shell:
        "python -m finer world-check --manifests {input} --out {output} 2> >(tee {log} >&2)"


rule world:
    # All raw files of the micro world, those for training and tuning included.
    input:
        rules.world_check.output,
    localrule: True


for origin, places in ORIGINS.items():

    rule:
        # The only rules with network, with retrieve_model. A change of code does not fetch anew what is there.
        name:
            f"retrieve_{origin}"
        input:
            places["waits"],
        output:
            places["files"],
            [directory(folder) for folder in places["folders"]],
        log:
            f"{OUT}/logs/retrieve_{origin}.log",
        localrule: True
        conda:
            "../../envs/finer.yaml"
        params:
            source=origin,
            data=CFG.data_root,
        shell:
            "python -m finer retrieve --source {params.source} --data {params.data:q} 2> >(tee {log} >&2)"


rule data:
    # All data sets of a configuration, and its checkpoints: what to fetch before a machine goes offline.
    input:
        [
            path
            for places in ORIGINS.values()
            for path in (*places["files"], *places["folders"])
        ],
        [PLAN["models"][name]["path"] for name in CFG.models if CFG.models[name].repo],
    localrule: True
