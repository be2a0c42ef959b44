"""TensorFlow Serving over gRPC: Predict and GetModelMetadata for texts, and GetModelStatus.

https://github.com/tensorflow/serving/tree/master/tensorflow_serving/apis. A request has one input
by any name, DT_STRING of shape [n] or [n, 1]; the signature is `serving_default`. Outputs of shape
[n], all or those of `output_filter`: `label` and `output` (the whole output as JSON), DT_STRING;
`score`, DT_DOUBLE, 0.0 for a text without a score; `truncated`, DT_BOOL, true for a text that was
cut.

A text that fails fails the request, whose error has its number. A request cannot have parameters of
the model: the owner's defaults hold. A version is a number in TensorFlow Serving, and here a
revision, which is text: it is the version's label, and there is no number.
"""

from collections.abc import Sequence
from typing import Any

from serving.errors import Malformed, NotFound, Refused
from serving.grpc.calls import Asked, Call, Format
from serving.grpc.protos import tensorflow_pb2 as tf
from serving.grpc.protos import tensorflow_serving_pb2 as pb
from serving.service import Service, wants_log
from serving.tensors import INPUT, columns, require_outputs, texts_of, texts_of_shape

SERVICES = pb.DESCRIPTOR.services_by_name
PREDICTION_SERVICE = str(SERVICES["PredictionService"].full_name)
MODEL_SERVICE = str(SERVICES["ModelService"].full_name)
SIGNATURE = "serving_default"
METHOD = "tensorflow/serving/predict"
METADATA = "signature_def"
OUTPUTS = {
    "label": tf.DT_STRING,
    "score": tf.DT_DOUBLE,
    "output": tf.DT_STRING,
    "truncated": tf.DT_BOOL,
}


def prediction_service(service: Service) -> Format:
    """The service that predicts."""

    async def predict(asked: Asked) -> Any:
        request = asked.message
        version = _require_model(service, request.model_spec)
        signature = request.model_spec.signature_name
        if signature not in ("", SIGNATURE):
            raise Refused(f"signature_name is {signature[:80]!r}; there is {SIGNATURE!r} only.")
        require_outputs(request.output_filter, OUTPUTS)
        texts = _texts(request.inputs, service)
        log = wants_log(asked.headers)
        predictions = await service.predict_all(
            texts, {}, log=log, timeout_s=asked.timeout_s, version=version
        )
        first = predictions[0]
        values = dict(columns(predictions).values)
        values["truncated"] = [prediction.truncated for prediction in predictions]
        answer = pb.PredictResponse(
            model_spec=_spec(service.name_of(first.model_id), first.model_revision)
        )
        for name in request.output_filter or OUTPUTS:
            answer.outputs[name].CopyFrom(_tensor(OUTPUTS[name], values[name]))
        return answer

    async def metadata(asked: Asked) -> Any:
        request = asked.message
        _require_model(service, request.model_spec)
        if set(request.metadata_field) != {METADATA}:
            raise Refused(f"metadata_field must be {METADATA!r}, and nothing else.")
        info = service.info
        spec = _spec(service.name_of(info.id), info.revision)
        answer = pb.GetModelMetadataResponse(model_spec=spec)
        answer.metadata[METADATA].Pack(_signatures())
        return answer

    return Format(
        name="tensorflow",
        service=PREDICTION_SERVICE,
        calls=(
            Call(name="Predict", request=pb.PredictRequest, answer=predict),
            Call(name="GetModelMetadata", request=pb.GetModelMetadataRequest, answer=metadata),
        ),
    )


def model_service(service: Service) -> Format:
    """The service that says whether the model is loaded."""

    async def status(asked: Asked) -> Any:
        state = pb.ModelVersionStatus.LOADING
        if service.is_ready:
            _require_model(service, asked.message.model_spec)
            state = pb.ModelVersionStatus.AVAILABLE
        return pb.GetModelStatusResponse(
            model_version_status=[pb.ModelVersionStatus(state=state, status=pb.StatusProto())]
        )

    return Format(
        name="tensorflow",
        service=MODEL_SERVICE,
        calls=(Call(name="GetModelStatus", request=pb.GetModelStatusRequest, answer=status),),
    )


def _require_model(service: Service, spec: Any) -> str | None:
    """The label of the version that is asked for; raises NotFound for one that is not ours."""
    chosen = spec.WhichOneof("version_choice")
    version = spec.version_label if chosen == "version_label" else None
    service.require_model(spec.name, version)
    if chosen == "version":
        raise NotFound(
            f"There is no version {spec.version.value}: a version here is a version_label, "
            f"{service.info.revision!r}. Leave it out for the model that is served."
        )
    return version


def _spec(name: str, revision: str) -> Any:
    return pb.ModelSpec(name=name, version_label=revision, signature_name=SIGNATURE)


def _texts(inputs: Any, service: Service) -> list[str]:
    """The texts of the only input; raises Refused, Malformed for bytes that are not UTF-8."""
    if len(inputs) != 1:
        raise Refused(f"There are {len(inputs)} inputs. Send one, such as {INPUT!r}.")
    ((name, tensor),) = inputs.items()
    if tensor.dtype != tf.DT_STRING:
        raise Refused(f"The dtype of {name[:80]!r} is {_type_name(tensor.dtype)}. Send DT_STRING.")
    count = texts_of_shape((dimension.size for dimension in tensor.tensor_shape.dim), name=name)
    service.require_count(count)
    if tensor.tensor_content:
        raise Malformed(f"{name[:80]!r} has tensor_content. Send texts in string_val.")
    return texts_of(tensor.string_val, count, where="string_val")


def _type_name(dtype: int) -> str:
    return str(tf.DataType.Name(dtype)) if dtype in tf.DataType.values() else f"type {dtype}"


def _tensor(dtype: Any, values: Sequence[Any]) -> Any:
    tensor = tf.TensorProto(dtype=dtype, tensor_shape=_shape(len(values)))
    if dtype == tf.DT_STRING:
        tensor.string_val.extend(value.encode() for value in values)
    elif dtype == tf.DT_BOOL:
        tensor.bool_val.extend(values)
    else:
        tensor.double_val.extend(values)
    return tensor


def _shape(size: int) -> Any:
    return tf.TensorShapeProto(dim=[tf.TensorShapeProto.Dim(size=size)])


def _signatures() -> Any:
    def info(name: str, dtype: Any) -> Any:
        return tf.TensorInfo(name=f"{name}:0", dtype=dtype, tensor_shape=_shape(-1))

    signature = tf.SignatureDef(
        inputs={INPUT: info(INPUT, tf.DT_STRING)},
        outputs={name: info(name, dtype) for name, dtype in OUTPUTS.items()},
        method_name=METHOD,
    )
    return pb.SignatureDefMap(signature_def={SIGNATURE: signature})
