# Predictions: exchanged with other toolkits. Models with `predictions` are not asked: their answers are read from files.
EXCHANGED = f"{OUT}/interchange/predictions"


rule import_predictions:
    input:
        asked=lookup("models/{model}/suites/{evaluated}", within=PLAN),
        predictions=lookup("models/{model}/predictions/{evaluated}", within=PLAN),
    output:
        responses=f"{OUT}/responses/{{model}}/suites.{{evaluated}}.parquet",
        drops=f"{OUT}/responses/{{model}}/suites.{{evaluated}}.drops.parquet",
    log:
        f"{OUT}/logs/import_predictions.{{model}}.{{evaluated}}.log",
    benchmark:
        f"{OUT}/benchmarks/import_predictions.{{model}}.{{evaluated}}.tsv"
    wildcard_constraints:
        model=CFG.not_asked(),
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("import_predictions"),
    params:
        code=code("import-predictions"),
        on_bad_item=CFG.on_bad_item,
    shell:
        "python -m finer import-predictions --items {input.asked} --predictions {input.predictions:q} --model {wildcards.model}"
        " --on-bad-item {params.on_bad_item} --out {output.responses} --drops {output.drops} 2> >(tee {log} >&2)"


rule export_predictions:
    input:
        asked=lookup("models/{model}/suites/{evaluated}", within=PLAN),
        responses=f"{OUT}/responses/{{model}}/suites.{{evaluated}}.parquet",
    output:
        f"{EXCHANGED}/{{model}}/{{evaluated}}.tsv",
        f"{EXCHANGED}/{{model}}/{{evaluated}}.jsonl",
    log:
        f"{OUT}/logs/export_predictions.{{model}}.{{evaluated}}.log",
    benchmark:
        f"{OUT}/benchmarks/export_predictions.{{model}}.{{evaluated}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("export_predictions"),
    params:
        code=code("export-predictions"),
    shell:
        "python -m finer export-predictions --items {input.asked} --responses {input.responses} --out {output}"
        " 2> >(tee {log} >&2)"


rule export_questions:
    # For a toolkit that is to ask a model: its file of predictions keeps the column item_id.
    input:
        f"{OUT}/items/suites/{{evaluated}}.{{wording}}.parquet",
    output:
        f"{OUT}/interchange/questions/{{evaluated}}.{{wording}}.tsv",
    log:
        f"{OUT}/logs/export_questions.{{evaluated}}.{{wording}}.log",
    benchmark:
        f"{OUT}/benchmarks/export_questions.{{evaluated}}.{{wording}}.tsv"
    conda:
        "../../envs/finer.yaml"
    resources:
        **need("export_questions"),
    params:
        code=code("export-predictions"),
    shell:
        "python -m finer export-predictions --items {input} --out {output} 2> >(tee {log} >&2)"


rule predictions:
    # All suites' predictions of every model that was asked, in both forms.
    input:
        [
            f"{EXCHANGED}/{row}/{name}.{kind}"
            for row in CFG.rows
            for name in CFG.suites
            for kind in ("tsv", "jsonl")
        ],
    localrule: True
