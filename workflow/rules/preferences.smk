# Preference data: long captions -> true phrases -> one slot edited -> preference pairs -> mixtures.
T = f"{OUT}/tuning/{{source}}"
TRAIN, HELD = CFG.learnt_from("train"), CFG.learnt_from("dev")
CAPTIONED, FINISHED = CFG.source_readers("pixmo", "docci"), CFG.source_readers(
    "sharegpt"
)


rule read_long_captions:
    input:
        raw=lookup("sources/{source}/raw", within=PLAN),
        images=lookup("sources/{source}/images", within=PLAN),
    output:
        images=f"{T}/images.parquet",
        captions=f"{T}/captions.parquet",
        drops=f"{T}/drops/read.parquet",
    log:
        f"{OUT}/logs/read_long_captions.{{source}}.log",
    benchmark:
        f"{OUT}/benchmarks/read_long_captions.{{source}}.tsv"
    wildcard_constraints:
        source=CAPTIONED,
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("read_long_captions"),
    params:
        code=code("read-long-captions"),
        config=lookup("sources/{source}/read", within=PLAN),
        reader=lookup("sources/{source}/reader", within=PLAN),
        words=CFG.preferences.caption_tokens,
    shell:
        "python -m finer read-long-captions --config {params.config:q} --source {wildcards.source}"
        " --reader {params.reader} --words {params.words} --raw {input.raw} --folder {input.images}"
        " --out {output.images} --captions {output.captions} --drops {output.drops} 2> >(tee {log} >&2)"


rule import_sharegpt:
    # Finished preference pairs replace the stages before the search for leaks.
    input:
        raw=lookup("sources/{source}/raw", within=PLAN),
        images=lookup("sources/{source}/images", within=PLAN),
    output:
        images=f"{T}/images.parquet",
        pairs=f"{T}/pairs.parquet",
        drops=f"{T}/drops/read.parquet",
    log:
        f"{OUT}/logs/import_sharegpt.{{source}}.log",
    benchmark:
        f"{OUT}/benchmarks/import_sharegpt.{{source}}.tsv"
    wildcard_constraints:
        source=FINISHED,
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("import_sharegpt"),
    params:
        code=code("import-sharegpt"),
        config=lookup("sources/{source}/read", within=PLAN),
    shell:
        "python -m finer import-sharegpt --config {params.config:q} --source {wildcards.source}"
        " --file {input.raw} --folder {input.images}"
        " --images {output.images} --out {output.pairs} --drops {output.drops} 2> >(tee {log} >&2)"


rule scene_graphs_of_long_captions:
    input:
        captions=f"{T}/captions.parquet",
    output:
        elements=f"{T}/elements.parquet",
        drops=f"{T}/drops/scene_graphs.parquet",
    log:
        f"{OUT}/logs/scene_graphs_of_long_captions.{{source}}.log",
    benchmark:
        f"{OUT}/benchmarks/scene_graphs_of_long_captions.{{source}}.tsv"
    wildcard_constraints:
        source=CAPTIONED,
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("scene_graphs_of_long_captions"),
    params:
        code=code("scene-graphs-from-captions"),
        config=CFG.part("scene_graphs"),
    shell:
        "python -m finer scene-graphs-from-captions --config {params.config:q}"
        " --captions {input.captions} --out {output.elements} --drops {output.drops} 2> >(tee {log} >&2)"


if CFG.preferences.phraser == "llm":

    rule phrase_by_model:
        # It reads the captions themselves: no scene graph is needed.
        input:
            captions=f"{T}/captions.parquet",
        output:
            phrases=f"{T}/phrases.parquet",
            drops=f"{T}/drops/phrases.parquet",
            calls=f"{T}/phrases.calls.parquet",
            run=f"{T}/phrases.run.parquet",
        log:
            f"{OUT}/logs/phrase_by_model.{{source}}.log",
        benchmark:
            f"{OUT}/benchmarks/phrase_by_model.{{source}}.tsv"
        wildcard_constraints:
            source=CAPTIONED,
        conda:
            software.conda("phrase_by_model")
        container:
            software.image("phrase_by_model")
        threads: need.threads("phrase_by_model")
        resources:
            **need("phrase_by_model"),
            chat=1,
        params:
            code=code("phrase-by-model"),
            config=CFG.preferring("phraser"),
            chat=CFG.role("phraser", access=False),
        shell:
            "python -m finer phrase-by-model --config {params.config:q} --chat {params.chat:q} --code {params.code}"
            " --source {wildcards.source} --captions {input.captions} --out {output.phrases} --drops {output.drops}"
            " --calls {output.calls} --run {output.run} 2> >(tee {log} >&2)"

else:

    rule phrase:
        input:
            captions=f"{T}/captions.parquet",
            elements=f"{T}/elements.parquet",
        output:
            phrases=f"{T}/phrases.parquet",
            drops=f"{T}/drops/phrases.parquet",
        log:
            f"{OUT}/logs/phrase.{{source}}.log",
        benchmark:
            f"{OUT}/benchmarks/phrase.{{source}}.tsv"
        conda:
            "../../envs/finer.yaml"
        resources:
            **need("phrase"),
        params:
            code=code("phrase"),
            config=CFG.preferring("phraser"),
        shell:
            "python -m finer phrase --config {params.config:q} --source {wildcards.source}"
            " --captions {input.captions} --elements {input.elements}"
            " --out {output.phrases} --drops {output.drops} 2> >(tee {log} >&2)"


if CFG.preferences.editor == "llm":

    rule edit_by_model:
        input:
            phrases=f"{T}/phrases.parquet",
            elements=(
                f"{T}/elements.parquet" if CFG.preferences.phraser == "rules" else []
            ),
            captions=f"{T}/captions.parquet",
        output:
            edits=f"{T}/edits.parquet",
            drops=f"{T}/drops/edits.parquet",
            calls=f"{T}/edits.calls.parquet",
            run=f"{T}/edits.run.parquet",
        log:
            f"{OUT}/logs/edit_by_model.{{source}}.log",
        benchmark:
            f"{OUT}/benchmarks/edit_by_model.{{source}}.tsv"
        wildcard_constraints:
            source=CAPTIONED,
        conda:
            software.conda("edit_by_model")
        container:
            software.image("edit_by_model")
        threads: need.threads("edit_by_model")
        resources:
            **need("edit_by_model"),
            chat=1,
        params:
            code=code("edit-by-model"),
            config=CFG.preferring("editor"),
            chat=CFG.role("editor", access=False),
        shell:
            "python -m finer edit-by-model --config {params.config:q} --chat {params.chat:q} --code {params.code}"
            " --source {wildcards.source} --phrases {input.phrases} --elements {input.elements}"
            " --captions {input.captions} --out {output.edits} --drops {output.drops}"
            " --calls {output.calls} --run {output.run} 2> >(tee {log} >&2)"

else:

    rule edit:
        input:
            phrases=f"{T}/phrases.parquet",
            elements=f"{T}/elements.parquet",
            captions=f"{T}/captions.parquet",
        output:
            edits=f"{T}/edits.parquet",
            drops=f"{T}/drops/edits.parquet",
        log:
            f"{OUT}/logs/edit.{{source}}.log",
        benchmark:
            f"{OUT}/benchmarks/edit.{{source}}.tsv"
        conda:
            "../../envs/finer.yaml"
        resources:
            **need("edit"),
        params:
            code=code("edit"),
            config=CFG.preferring("editor", "balanced"),
        shell:
            "python -m finer edit --config {params.config:q} --source {wildcards.source} --phrases {input.phrases}"
            " --elements {input.elements} --captions {input.captions}"
            " --out {output.edits} --drops {output.drops} 2> >(tee {log} >&2)"


rule preference_pairs:
    input:
        phrases=f"{T}/phrases.parquet",
        edits=f"{T}/edits.parquet",
        captions=f"{T}/captions.parquet",
        images=f"{T}/images.parquet",
    output:
        f"{T}/pairs.parquet",
    log:
        f"{OUT}/logs/preference_pairs.{{source}}.log",
    benchmark:
        f"{OUT}/benchmarks/preference_pairs.{{source}}.tsv"
    wildcard_constraints:
        source=CAPTIONED,
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("preference_pairs"),
    params:
        code=code("preference-pairs"),
        config=CFG.part("seed"),
    shell:
        "python -m finer preference-pairs --config {params.config:q} --phrases {input.phrases}"
        " --edits {input.edits} --captions {input.captions} --images {input.images} --out {output}"
        " 2> >(tee {log} >&2)"


rule scenes_of_tuning_are_new:
    # In the micro world the same scene can be drawn in another file: pools are compared by scene, and one hit stops.
    input:
        [f"{OUT}/raw/comprecap_{pool}/scenes.csv" for pool in ("test", "dev")],
        f"{OUT}/raw/docci_test/scenes.csv",
        [f"{OUT}/raw/pixmo_{pool}/scenes.csv" for pool in ("tuning", "tuning_dev")],
    output:
        f"{OUT}/raw/disjoint_tuning.csv",
    log:
        f"{OUT}/logs/scenes_of_tuning_are_new.log",
    benchmark:
        f"{OUT}/benchmarks/scenes_of_tuning_are_new.tsv"
    localrule: True
    conda:
        "../../envs/finer.yaml"
    params:
        code=code("world-check"),
    shell:
        "python -m finer world-check --manifests {input} --out {output} 2> >(tee {log} >&2)"


rule leaks:
    # No image that is learnt from may be one that is asked about: by content, and by look.
    input:
        images=f"{T}/images.parquet",
        benchmarks=[f"{OUT}/benchmark/{name}/images.parquet" for name in CFG.benchmarks],
        scenes=f"{OUT}/raw/disjoint_tuning.csv" if CFG.world else [],
    output:
        f"{T}/leaks.parquet",
    log:
        f"{OUT}/logs/leaks.{{source}}.log",
    benchmark:
        f"{OUT}/benchmarks/leaks.{{source}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("leaks"),
    params:
        code=code("leaks"),
        distance=CFG.preferences.leak_distance,
    shell:
        "python -m finer leaks --source {wildcards.source} --distance {params.distance} --images {input.images}"
        " --benchmarks {input.benchmarks} --out {output} 2> >(tee {log} >&2)"


rule without_leaks:
    input:
        pairs=f"{T}/pairs.parquet",
        leaks=f"{T}/leaks.parquet",
    output:
        preferences=f"{T}/preferences.parquet",
        drops=f"{T}/drops/leaks.parquet",
    log:
        f"{OUT}/logs/without_leaks.{{source}}.log",
    benchmark:
        f"{OUT}/benchmarks/without_leaks.{{source}}.tsv"
    localrule: True
    conda:
        "../../envs/finer.yaml"
    params:
        code=code("without-leaks"),
    shell:
        "python -m finer without-leaks --source {wildcards.source} --preferences {input.pairs}"
        " --leaks {input.leaks} --out {output.preferences} --drops {output.drops} 2> >(tee {log} >&2)"


rule mixture:
    # Rows in the order drawn: whoever trains on N pairs takes the first N.
    input:
        [f"{OUT}/tuning/{name}/preferences.parquet" for name in TRAIN],
    output:
        f"{OUT}/tuning/mixtures/{{mixture}}.parquet",
    log:
        f"{OUT}/logs/mixture.{{mixture}}.log",
    benchmark:
        f"{OUT}/benchmarks/mixture.{{mixture}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("mixture"),
    params:
        code=code("mix"),
        config=lookup("mixtures/{mixture}/draw", within=PLAN),
    shell:
        "python -m finer mix --config {params.config:q} --preferences {input} --out {output} 2> >(tee {log} >&2)"


rule mixture_held_out:
    # The same of captions that are never learnt from, for choosing how to train.
    input:
        [f"{OUT}/tuning/{name}/preferences.parquet" for name in HELD],
    output:
        f"{OUT}/tuning/mixtures/{{mixture}}.dev.parquet",
    log:
        f"{OUT}/logs/mixture_held_out.{{mixture}}.log",
    benchmark:
        f"{OUT}/benchmarks/mixture_held_out.{{mixture}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("mixture_held_out"),
    params:
        code=code("mix"),
        config=lookup("mixtures/{mixture}/draw", within=PLAN),
    shell:
        "python -m finer mix --config {params.config:q} --preferences {input} --out {output} 2> >(tee {log} >&2)"


rule dataset_info:
    # LLaMA-Factory reads the exported mixtures by this file.
    output:
        f"{OUT}/interchange/tuning/dataset_info.json",
    log:
        f"{OUT}/logs/dataset_info.log",
    benchmark:
        f"{OUT}/benchmarks/dataset_info.tsv"
    localrule: True
    conda:
        "../../envs/finer.yaml"
    params:
        code=code("dataset-info"),
        names=list(CFG.mixtures),
    shell:
        "python -m finer dataset-info --names {params.names} --out {output} 2> >(tee {log} >&2)"


rule export_sharegpt:
    input:
        preferences=f"{OUT}/tuning/mixtures/{{mixture}}.parquet",
        info=rules.dataset_info.output,
    output:
        f"{OUT}/interchange/tuning/{{mixture}}.jsonl",
    log:
        f"{OUT}/logs/export_sharegpt.{{mixture}}.log",
    benchmark:
        f"{OUT}/benchmarks/export_sharegpt.{{mixture}}.tsv"
    localrule: True
    conda:
        "../../envs/finer.yaml"
    params:
        code=code("export-sharegpt"),
    shell:
        "python -m finer export-sharegpt --preferences {input.preferences} --out {output} 2> >(tee {log} >&2)"


rule table_leaks:
    input:
        [f"{OUT}/tuning/{name}/leaks.parquet" for name in CFG.preferences.sources],
    output:
        f"{OUT}/tables/leaks.csv",
    log:
        f"{OUT}/logs/table_leaks.log",
    benchmark:
        f"{OUT}/benchmarks/table_leaks.tsv"
    localrule: True
    conda:
        "../../envs/finer.yaml"
    params:
        code=code("table-leaks"),
    shell:
        "python -m finer table-leaks --leaks {input} --out {output} 2> >(tee {log} >&2)"


rule tuning_yields:
    # How much of each source became preference pairs, and why the rest did not.
    input:
        [f"{OUT}/tuning/{name}/preferences.parquet" for name in CFG.preferences.sources],
    output:
        markdown=f"{OUT}/tables/tuning_yields.md",
        csv=f"{OUT}/tables/tuning_yields.csv",
    log:
        f"{OUT}/logs/tuning_yields.log",
    benchmark:
        f"{OUT}/benchmarks/tuning_yields.tsv"
    localrule: True
    conda:
        "../../envs/finer.yaml"
    params:
        code=code("tuning-yields"),
        folders=[f"{OUT}/tuning/{name}" for name in CFG.preferences.sources],
    shell:
        "python -m finer tuning-yields --folders {params.folders} --markdown {output.markdown} --csv {output.csv}"
        " 2> >(tee {log} >&2)"


rule preferences:
    # All preference data: every mixture, exported too, with what was dropped on the way.
    input:
        expand(
            f"{OUT}/tuning/mixtures/{{mixture}}.parquet",
            mixture=CFG.mixtures if TRAIN else [],
        ),
        expand(
            f"{OUT}/interchange/tuning/{{mixture}}.jsonl",
            mixture=CFG.mixtures if TRAIN else [],
        ),
        f"{OUT}/tables/tuning_yields.md",
        f"{OUT}/tables/leaks.csv",
    localrule: True
